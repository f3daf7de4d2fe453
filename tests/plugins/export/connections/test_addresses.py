from __future__ import annotations

import pytest

from ticketgen_export.connections.addresses import site_address
from ticketgen_export.errors import SiteAddressError


@pytest.mark.parametrize(
    ("text", "site"),
    [
        ("https://harbour.atlassian.net", "https://harbour.atlassian.net"),
        (" https://Harbour.Atlassian.net/ ", "https://harbour.atlassian.net"),
        ("https://jira.example.org:8443", "https://jira.example.org:8443"),
        ("https://10.0.0.5", "https://10.0.0.5"),
        ("http://127.0.0.1:2990", "http://127.0.0.1:2990"),
        ("http://localhost", "http://localhost"),
        ("http://[::1]:80/", "http://[::1]:80"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_the_address_of_a_site_is_taken_as_it_is_meant(text: str, site: str) -> None:
    assert site_address(text) == site


@pytest.mark.parametrize(
    "text",
    [
        "",
        "harbour.atlassian.net",
        "ftp://harbour.atlassian.net",
        "http://harbour.atlassian.net",
        "http://10.0.0.5",
        "http://169.254.169.254",
        "http://localhost.example.org",
        "http://127.0.0.1.example.org",
        "https://",
        "https://user:pass@harbour.atlassian.net",
        "https://@harbour.atlassian.net",
        "https://harbour.atlassian.net/jira",
        "https://harbour.atlassian.net?x=1",
        "https://harbour.atlassian.net#x",
        "https://harbour.atlassian.net:port",
        "https://har bour.atlassian.net",
        "https://a\\b.example",
        "https://[::1",
    ],
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SiteAddressError) as refused:
        site_address(text)

    assert "https://your-site.atlassian.net" in refused.value.recovery_actions[0]
