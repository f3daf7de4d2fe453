"""The ways to end `ticketgen demo`: files, or a stand-in for Jira that is served meanwhile."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ticketgen.provides import (
    AdfCheck,
    OpenRehearsal,
    Rehearsal,
    RehearsalContext,
    RehearsalReport,
)

if TYPE_CHECKING:
    from ticketgen_export.jira_stub import Issue, JiraStub

__all__ = ["REHEARSALS"]

_PROJECT = "DEMO"
_EMAIL = "you@example.org"
_LAG = timedelta(seconds=2)
_SHOWN_ISSUES = 5
_SHOWN_KEYS = 4


@asynccontextmanager
async def _files(_: RehearsalContext) -> AsyncIterator[OpenRehearsal]:
    yield OpenRehearsal()


@asynccontextmanager
async def _stand_in(context: RehearsalContext) -> AsyncIterator[OpenRehearsal]:
    # The server is imported when it is wanted: a worker and every other command do without.
    from ticketgen_export.jira_stub import Behaviour, JiraStub, serving_stub

    stub = JiraStub(
        behaviour=Behaviour(index_lag=_LAG),
        checks=context.contributions.provided(AdfCheck),
        projects=[_PROJECT],
    )
    token = secrets.token_urlsafe(24)
    stub.add_account(_EMAIL, token, "You")
    async with serving_stub(stub) as url:
        connection = await context.call(
            "POST",
            "/api/export/connections",
            json={"site_url": url, "email": _EMAIL, "token": token, "name": "The stand-in"},
        )
        seen = _Seen(stub=stub, url=url, pace=context.settings.jira_pace)
        yield OpenRehearsal(
            session={"jira_project_key": _PROJECT},
            options={"connection": connection["id"], "pace": 0},
            report=seen.report,
        )


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """A stand-in, and what is to be said of what it was sent."""

    stub: JiraStub
    url: str
    pace: timedelta
    """Between two calls that write, had this been Jira."""

    async def report(self, _session_id: str) -> RehearsalReport:
        """What the stand-in holds now."""
        issues = self.stub.issues
        blocked = {link.target for link in self.stub.links}
        shown = [issue for issue in issues if issue.id in blocked] or issues
        reads, writes = _counted(self.stub.requests)
        files = sum(len(issue.attachments) for issue in issues)
        pace = self.pace.total_seconds()
        return RehearsalReport(
            title=f"Some of the {len(issues)} issues in {_PROJECT}",
            columns=("Key", "Summary", "Is blocked by", "Blocks"),
            rows=tuple(self._row(issue) for issue in shown[:_SHOWN_ISSUES]),
            lines=(
                f"The stand-in for Jira at {self.url} got {len(issues)} issues, "
                f"{len(self.stub.links)} links and {files} attachments, "
                f"by {writes} writing and {reads} reading requests.",
                f"  As in Jira, its search knew of each issue {_LAG.total_seconds():g} s later. "
                "Unlike there, nothing went wrong and nothing was paced: with the "
                f"{pace:g} s between two writing requests that are set here, they would take "
                f"{writes * pace / 60:.1f} minutes.",
                f"  It has ended; an issue was at {self._address(issues)}, for instance. "
                "`ticketgen jira-stub` serves one that stays.",
            ),
            files={"jira-stub.json": self._everything()},
        )

    def _row(self, issue: Issue) -> tuple[str, ...]:
        return (
            issue.key,
            str(issue.fields.get("summary", "")),
            _few(self._others(issue, blocking=False)),
            _few(self._others(issue, blocking=True)),
        )

    def _others(self, issue: Issue, *, blocking: bool) -> list[str]:
        """The keys of the issues that it blocks, or that block it."""
        keys = {one.id: one.key for one in self.stub.issues}
        ends = [(link.source, link.target) for link in self.stub.links]
        pairs = ends if blocking else [(target, source) for source, target in ends]
        return [keys.get(other, other) for mine, other in pairs if mine == issue.id]

    def _address(self, issues: Sequence[Issue]) -> str:
        return f"{self.url}/browse/{issues[0].key if issues else _PROJECT + '-1'}"

    def _everything(self) -> bytes:
        """Every issue as the stand-in has it, with its address; and what was asked."""
        state = self.stub.state()
        kept: dict[str, Any] = {
            "issues": [
                {"url": f"{self.url}/browse/{issue['key']}", **issue} for issue in state["issues"]
            ],
            "links": state["links"],
            "requests": state["answers"],
        }
        return (json.dumps(kept, indent=2, ensure_ascii=False) + "\n").encode()


def _counted(requests: Counter[str]) -> tuple[int, int]:
    """How many requests read, and how many wrote."""
    reads = sum(count for name, count in requests.items() if name.startswith("GET "))
    return reads, requests.total() - reads


def _few(keys: Sequence[str]) -> str:
    more = len(keys) - _SHOWN_KEYS
    return ", ".join(keys[:_SHOWN_KEYS]) + (f" and {more} more" if more > 0 else "")


REHEARSALS = (
    Rehearsal(
        name="file",
        summary="Files: ADF documents, tickets.jsonl and a CSV for Jira's importer.",
        target="file",
        open=_files,
    ),
    Rehearsal(
        name="jira-stub",
        summary="Issues, links and attachments in a stand-in for Jira Cloud on this machine.",
        target="jira",
        open=_stand_in,
    ),
)
"""Both; the first is what the demo does unless it is told otherwise."""
