from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from benchmarks.chaos_export.evidence import Result, SessionRows, TicketRow
from benchmarks.chaos_export.plan import plan_exports
from benchmarks.chaos_export.shape import short_export
from benchmarks.chaos_export.verdict import ExportCase, ExportVerdict, judge_exports
from tests.flows.commands import environment
from tests.rules.tree import ROOT
from ticketgen_export.jira.issues import marker_of

_SESSION, _FIRST, _SECOND = (UUID(str(uuid7())) for _ in range(3))
_URL = "https://example.org"
_DOCUMENT = {"type": "doc", "version": 1, "content": []}
_FILE = ("whole.md", "hash")


@pytest.mark.services
@pytest.mark.skipif(
    os.getenv("TICKETGEN_CHAOS") is None,
    reason="two minutes of both processors: run it with TICKETGEN_CHAOS=1, or make chaos-export",
)
@pytest.mark.timeout(400)
def test_each_ticket_is_one_issue_after_a_short_chaos(tmp_path: Path) -> None:
    found = tmp_path / "found.json"

    ended = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.chaos_export", "--short", "--seed", "1"),
            *("--json", str(found), "--logs", str(tmp_path / "logs")),
        ],
        cwd=ROOT,
        env=environment("chaos-export"),
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )

    assert found.exists(), ended.stderr
    report = json.loads(found.read_text())
    assert report["good"], ended.stdout
    assert ended.returncode == 0, ended.stdout
    assert report["settled by hand"] == 0, ended.stdout
    assert sum(project["issues"] for project in report["projects"].values()) >= 36
    assert report["kills"] > 0, "nothing was killed: that was no chaos"
    assert report["faults"] > 0, "nothing went wrong in the stand-in: that was no chaos"


def _issue(number: int, ticket_id: UUID, **changes: Any) -> dict[str, Any]:
    marker = marker_of(f"{_SESSION}:{ticket_id}")
    issue: dict[str, Any] = {
        "key": f"HM-{number}",
        "project": "HM",
        "created": "noon",
        "fields": {"summary": f"T{number}", "description": _DOCUMENT},
        "labels": ["ticketgen", marker],
        "properties": {"ticketgen": {"marker": marker, "ticket": f"t{number}"}},
        "attachments": [],
    }
    return issue | changes


def _site() -> dict[str, Any]:
    """Two issues, the first blocks the second, which has a file."""
    file = {"filename": _FILE[0], "sha256": _FILE[1]}
    link = {"type": "Blocks", "source": "HM-1", "target": "HM-2"}
    return {
        "issues": [_issue(1, _FIRST), _issue(2, _SECOND, attachments=[file])],
        "pending": [],
        "links": [link],
        "link_requests": [link],
    }


def _ticket(number: int, ticket_id: UUID, **changes: Any) -> TicketRow:
    usual: dict[str, Any] = {
        "id": ticket_id,
        "key": f"t{number}",
        "title": f"T{number}",
        "document": _DOCUMENT,
        "needs": frozenset(),
    }
    return TicketRow(**(usual | changes))


def _result(number: int, ticket_id: UUID, **changes: Any) -> Result:
    usual: dict[str, Any] = {
        "ticket_id": ticket_id,
        "reference": f"HM-{number}",
        "url": f"{_URL}/browse/HM-{number}",
        "is_completed": True,
        "fixes": (),
    }
    return Result(**(usual | changes))


def _judged(
    site: Mapping[str, Any] | None = None, *, results: tuple[Result, ...] | None = None
) -> ExportVerdict:
    usual = (_result(1, _FIRST), _result(2, _SECOND))
    tickets = (_ticket(1, _FIRST), _ticket(2, _SECOND, needs=frozenset({_FIRST}), file=_FILE))
    rows = SessionRows(
        session_id=_SESSION, tickets=tickets, results=usual if results is None else results
    )
    return judge_exports(
        ExportCase(
            sessions={_SESSION: rows},
            projects={_SESSION: "HM"},
            site=_site() if site is None else site,
            url=_URL,
            unknown=(),
        )
    )


def test_an_export_that_is_as_it_should_be_is_good() -> None:
    verdict = _judged()

    assert verdict.is_good, verdict.findings()
    assert verdict.projects["HM"].issues == verdict.projects["HM"].tickets == 2


def _again(site: dict[str, Any]) -> None:
    site["issues"].append(_issue(3, _FIRST))


def _again_but_not_yet(site: dict[str, Any]) -> None:
    site["pending"].append(_issue(3, _FIRST))


def _gone(site: dict[str, Any]) -> None:
    site["issues"].pop(0)


def _foreign(site: dict[str, Any]) -> None:
    site["issues"].append(_issue(3, uuid7()))


def _without_label(site: dict[str, Any]) -> None:
    site["issues"][0]["labels"] = ["ticketgen"]


def _other_words(site: dict[str, Any]) -> None:
    site["issues"][0]["fields"]["description"] = {**_DOCUMENT, "content": [{"type": "rule"}]}


def _elsewhere(site: dict[str, Any]) -> None:
    site["issues"][0]["project"] = "XX"


def _assigned(site: dict[str, Any]) -> None:
    site["issues"][0]["fields"]["assignee"] = {"accountId": "1"}


def _linked_again(site: dict[str, Any]) -> None:
    site["link_requests"].append(site["links"][0])


def _turned_round(site: dict[str, Any]) -> None:
    site["links"][0] |= {"source": "HM-2", "target": "HM-1"}


def _unlinked(site: dict[str, Any]) -> None:
    site["links"].clear()


def _attached_again(site: dict[str, Any]) -> None:
    site["issues"][1]["attachments"] *= 2


def _other_bytes(site: dict[str, Any]) -> None:
    site["issues"][1]["attachments"][0]["sha256"] = "other"


@pytest.mark.parametrize(
    ("change", "findings"),
    [
        (_again, {"done twice"}),
        (_again_but_not_yet, {"done twice"}),
        (_gone, {"missing"}),
        (_foreign, {"of no ticket"}),
        (_without_label, {"of no ticket", "missing"}),
        (_other_words, {"not as validated"}),
        (_elsewhere, {"not as validated"}),
        (_assigned, {"not as validated"}),
        (_linked_again, {"done twice"}),
        (_turned_round, {"missing", "of no ticket"}),
        (_unlinked, {"missing"}),
        (_attached_again, {"done twice"}),
        (_other_bytes, {"missing", "of no ticket"}),
    ],
)
def test_what_is_wrong_in_the_stand_in_is_found(
    change: Callable[[dict[str, Any]], None], findings: set[str]
) -> None:
    site = deepcopy(_site())
    change(site)

    verdict = _judged(site)

    assert {name for name, found in verdict.findings().items() if found} >= findings
    assert not verdict.is_good


@pytest.mark.parametrize(
    "changes",
    [
        {"reference": "HM-9"},
        {"url": None},
        {"is_completed": False},
        {"fixes": ("HM-2: Link: draw it by hand.",)},
    ],
)
def test_a_result_that_is_not_what_the_stand_in_has_is_found(changes: dict[str, Any]) -> None:
    results = (_result(1, _FIRST), _result(2, _SECOND, **changes))

    verdict = _judged(results=results)

    assert verdict.unlike


def test_a_ticket_without_a_result_is_found() -> None:
    verdict = _judged(results=(_result(1, _FIRST),))

    assert verdict.unlike


def test_the_same_seed_plans_the_same_exports() -> None:
    shape = short_export()

    assert plan_exports(shape, 7) == plan_exports(shape, 7)
    assert plan_exports(shape, 7) != plan_exports(shape, 8)
    assert len({planned.project for planned in plan_exports(shape, 7)}) < shape.sessions
