"""A stand-in for Jira Cloud: a real HTTP server in memory, to rehearse and to test exports against.

It answers the paths that an exporter uses, judges requests as Jira does, and can be made as
unpleasant as a network and a busy site are, in a way that is planned and counted::

    stub = JiraStub(projects=["DEMO"])
    stub.add_account("ada@example.org", token, "Ada Lovelace")
    stub.add_faults(Fault(kind=FaultKind.DROP_AFTER, on="POST /rest/api/3/issue", nth=3))
    async with serving_stub(stub) as url:
        ...
    assert len(stub.issues) == 12

An API token is taken at `{url}/rest/api/3/…`; an OAuth access token at
`{url}/ex/jira/{cloud id}/rest/api/3/…`, where `{url}` stands for all of `site.atlassian.net`,
`api.atlassian.com` and `auth.atlassian.com`. `GET {url}/_stub/state` shows everything, `GET
{url}/_stub/faults` how often each fault has happened; `/_stub/behaviour`, `/_stub/faults` and
`/_stub/reset` set what a test sets in process.

`python -m ticketgen_export.jira_stub` and `ticketgen jira-stub` serve it as a process.
"""

from __future__ import annotations

from ticketgen_export.jira_stub.behaviour import Behaviour
from ticketgen_export.jira_stub.exchange import Exchange, Record
from ticketgen_export.jira_stub.faults import Fault, FaultKind, preset
from ticketgen_export.jira_stub.nouns import (
    ALL_PERMISSIONS,
    SPRINT_FIELD,
    Account,
    Attachment,
    ExtraField,
    Issue,
    Link,
    Project,
    Sprint,
)
from ticketgen_export.jira_stub.oauth import Client
from ticketgen_export.jira_stub.serving import serving_stub
from ticketgen_export.jira_stub.stub import JiraStub

__all__ = [
    "ALL_PERMISSIONS",
    "SPRINT_FIELD",
    "Account",
    "Attachment",
    "Behaviour",
    "Client",
    "Exchange",
    "ExtraField",
    "Fault",
    "FaultKind",
    "Issue",
    "JiraStub",
    "Link",
    "Project",
    "Record",
    "Sprint",
    "preset",
    "serving_stub",
]
