from __future__ import annotations

import pytest

from ticketgen_export.connections.addresses import require_askable, site_address
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
        ("http://[::1]:80/", "http://[::1]"),
        ("https://[2001:DB8:0:0::1]", "https://[2001:db8::1]"),
        ("https://harbour.atlassian.net:443", "https://harbour.atlassian.net"),
        ("https://HARBOUR.atlassian.net.:443/", "https://harbour.atlassian.net"),
        ("https://harbour.atlassian.net:80", "https://harbour.atlassian.net:80"),
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
        "https://169.254.169.254",
        "https://[::ffff:169.254.169.254]",
        "https://[fe80::1]",
        "https://[fd00:ec2::254]",
        "https://0.0.0.0",
        "https://[::]",
        "https://224.0.0.1",
        "https://255.255.255.255",
        "https://.",
        "https://harbour..net",
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


async def test_a_name_that_leads_where_no_site_is_asked_is_refused() -> None:
    with pytest.raises(SiteAddressError):
        await require_askable("https://0xa9fea9fe")  # 169.254.169.254, as the system reads it


@pytest.mark.parametrize("site", ["http://localhost:9", "https://10.0.0.5", "https://no.invalid"])
async def test_a_name_that_leads_elsewhere_or_nowhere_is_let_through(site: str) -> None:
    await require_askable(site)
