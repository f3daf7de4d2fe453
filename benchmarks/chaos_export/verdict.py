"""Whether the stand-in holds what it should: pure judgement over tickets, issues and results."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from benchmarks.chaos_export.evidence import SessionRows, TicketRow
from benchmarks.chaos_export.plan import PEOPLE
from ticketgen_export.jira.issues import LABEL, PROPERTY, marker_of
from ticketgen_export.jira_stub import SPRINT_FIELD

__all__ = ["ExportCase", "ExportVerdict", "ProjectCount", "judge_exports"]

_SPRINTS = frozenset({"Sprint 1", "Sprint 2"})


@dataclass(frozen=True, kw_only=True)
class ExportCase:
    """Everything that is judged."""

    sessions: Mapping[UUID, SessionRows]
    projects: Mapping[UUID, str]
    """Of each session, the project it was exported to."""
    site: Mapping[str, Any]
    """The state of the stand-in."""
    url: str
    unknown: Sequence[str]
    """What the ledger does not know."""


@dataclass(kw_only=True)
class ProjectCount:
    """How much there should be in one project, and how much there is."""

    sessions: int = 0
    tickets: int = 0
    issues: int = 0
    dependencies: int = 0
    links: int = 0
    link_calls: int = 0
    """Calls for a link that were accepted: one for each link, or one was drawn again."""
    files: int = 0
    attachments: int = 0


@dataclass(kw_only=True)
class ExportVerdict:
    """What was found; `is_good` if nothing was."""

    projects: dict[str, ProjectCount] = field(default_factory=dict)
    duplicates: list[str] = field(default_factory=list)
    """Tickets with more than one issue, links asked for twice, files attached twice."""
    missing: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    """Issues, links and files that belong to no ticket."""
    different: list[str] = field(default_factory=list)
    """Issues that are not as their tickets were validated."""
    unlike: list[str] = field(default_factory=list)
    """Results in our database that are not what the stand-in has."""
    unknown: list[str] = field(default_factory=list)
    """Effects that the ledger holds as begun."""
    stuck: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """Rows of runs and attempts that cannot be."""
    leaked: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """Errors of the program itself."""

    def findings(self) -> dict[str, list[str]]:
        """By what it is called in the table."""
        return {
            "done twice": self.duplicates,
            "missing": self.missing,
            "of no ticket": self.orphans,
            "not as validated": self.different,
            "results unlike the stand-in": self.unlike,
            "unknown in the ledger": self.unknown,
            "stuck": self.stuck,
            "broken invariants": self.broken,
            "leaked": self.leaked,
            "errors of this program": self.failures,
        }

    @property
    def is_good(self) -> bool:
        """Whether everything is as it should be."""
        return not any(self.findings().values())


def judge_exports(case: ExportCase) -> ExportVerdict:
    """Look at every ticket, issue, link, file and result."""
    verdict = ExportVerdict(unknown=list(case.unknown))
    issues = [*case.site["issues"], *case.site["pending"]]
    by_marker: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for issue in issues:
        by_marker[_marker(issue)].append(issue)
    keys: dict[UUID, str] = {}
    for rows in case.sessions.values():
        count = verdict.projects.setdefault(case.projects[rows.session_id], ProjectCount())
        count.sessions += 1
        for ticket in rows.tickets:
            found = by_marker.pop(marker_of(f"{rows.session_id}:{ticket.id}"), [])
            count.tickets += 1
            count.files += ticket.file is not None
            if found:
                keys[ticket.id] = str(found[0]["key"])
            _judge_ticket(case, rows, ticket, found, verdict)
    verdict.orphans += [
        f"{issue['key']} has the marker {marker or 'of nobody'}"
        for marker, several in by_marker.items()
        for issue in several
    ]
    for issue in issues:
        count = verdict.projects.setdefault(issue["project"], ProjectCount())
        count.issues += 1
        count.attachments += len(issue["attachments"])
    _judge_links(case, keys, verdict)
    return verdict


def _marker(issue: Mapping[str, Any]) -> str:
    """By label and property alike; what they disagree on belongs to nobody."""
    labels = {label for label in issue["labels"] if label.startswith(f"{LABEL}-")}
    told = (issue["properties"].get(PROPERTY) or {}).get("marker")
    return str(told) if labels == {told} else ""


def _judge_ticket(
    case: ExportCase,
    rows: SessionRows,
    ticket: TicketRow,
    found: Sequence[Mapping[str, Any]],
    verdict: ExportVerdict,
) -> None:
    project = case.projects[rows.session_id]
    if not found:
        verdict.missing.append(f"{project}: {ticket.title!r} ({ticket.id}) has no issue")
        return
    if len(found) > 1:
        keys = ", ".join(f"{issue['key']} of {issue['created']}" for issue in found)
        verdict.duplicates.append(f"{project}: {ticket.title!r} ({ticket.id}) is {keys}")
    verdict.different += _differences(project, ticket, found[0])
    _judge_files(ticket, found, verdict)
    _judge_results(case, rows, ticket, found[0], verdict)


def _differences(project: str, ticket: TicketRow, issue: Mapping[str, Any]) -> Iterator[str]:
    fields = issue["fields"]
    if issue["project"] != project:
        yield f"{issue['key']}: should be in {project}"
    if fields["summary"] != ticket.title:
        yield f"{issue['key']}: is called {fields['summary']!r}, not {ticket.title!r}"
    if not ticket.document or fields.get("description") != ticket.document:
        yield f"{issue['key']}: the description is not the document of {ticket.title!r}"
    if issue["properties"][PROPERTY].get("ticket") != ticket.key:
        yield f"{issue['key']}: its property does not name {ticket.key}"
    if bool(fields.get("assignee")) != (ticket.assignee in PEOPLE):
        yield f"{issue['key']}: assignee {fields.get('assignee')}, for {ticket.assignee!r}"
    if bool(fields.get(SPRINT_FIELD)) != (ticket.sprint in _SPRINTS):
        yield f"{issue['key']}: sprint {fields.get(SPRINT_FIELD)}, for {ticket.sprint!r}"


def _judge_files(
    ticket: TicketRow, found: Sequence[Mapping[str, Any]], verdict: ExportVerdict
) -> None:
    held = Counter(
        (file["filename"], file["sha256"]) for issue in found for file in issue["attachments"]
    )
    key = found[0]["key"]
    for file, number in held.items():
        if file != ticket.file:
            verdict.orphans.append(f"{key}: {file[0]} ({file[1][:12]}) is not of its ticket")
        elif number > 1:
            verdict.duplicates.append(f"{key}: {file[0]} is attached {number} times")
    if ticket.file is not None and not held[ticket.file]:
        verdict.missing.append(f"{key}: {ticket.file[0]} is not attached")


def _judge_results(
    case: ExportCase,
    rows: SessionRows,
    ticket: TicketRow,
    issue: Mapping[str, Any],
    verdict: ExportVerdict,
) -> None:
    mine = [result for result in rows.results if result.ticket_id == ticket.id]
    key = str(issue["key"])
    if len(mine) != 1:
        verdict.unlike.append(f"{key}: {len(mine)} results of {ticket.title!r}")
        return
    [result] = mine
    if (result.reference, result.url) != (key, f"{case.url}/browse/{key}"):
        verdict.unlike.append(f"{key}: the result says {result.reference}, {result.url}")
    if not result.is_completed:
        verdict.unlike.append(f"{key}: the result is not completed")
    expected = Counter(
        word
        for word, is_missing in (
            ("Assignee:", bool(ticket.assignee) and ticket.assignee not in PEOPLE),
            ("Sprint:", bool(ticket.sprint) and ticket.sprint not in _SPRINTS),
        )
        if is_missing
    )
    said = Counter(
        next((word for word in ("Assignee:", "Sprint:") if f"{key}: {word}" in fix), fix)
        for fix in result.fixes
    )
    if said != expected:
        verdict.unlike.append(f"{key}: to be mended by hand is {dict(said)}, not {dict(expected)}")


def _judge_links(case: ExportCase, keys: Mapping[UUID, str], verdict: ExportVerdict) -> None:
    """Each dependency is one link from the ticket that is needed, and was accepted once."""
    wanted: set[tuple[str, str]] = set()
    for rows in case.sessions.values():
        count = verdict.projects[case.projects[rows.session_id]]
        for ticket in rows.tickets:
            count.dependencies += len(ticket.needs)
            wanted |= {
                (keys.get(needed, str(needed)), keys.get(ticket.id, str(ticket.id)))
                for needed in ticket.needs
            }
    drawn = Counter(_ends(link) for link in case.site["links"])
    asked = Counter(_ends(link) for link in case.site["link_requests"])
    for (source, _), number in drawn.items():
        _project_of(verdict, source).links += number
    for (source, _), number in asked.items():
        _project_of(verdict, source).link_calls += number
    verdict.missing += [f"link: {a} blocks {b}" for a, b in sorted(wanted - drawn.keys())]
    verdict.orphans += [f"link: {a} blocks {b}" for a, b in sorted(drawn.keys() - wanted)]
    verdict.duplicates += [
        f"link: {a} blocks {b}, asked for {number} times"
        for (a, b), number in sorted(asked.items())
        if number > 1
    ]
    verdict.different += [
        f"link of type {link['type']}" for link in case.site["links"] if link["type"] != "Blocks"
    ]


def _ends(link: Mapping[str, str]) -> tuple[str, str]:
    return link["source"], link["target"]


def _project_of(verdict: ExportVerdict, key: str) -> ProjectCount:
    return verdict.projects.setdefault(key.rpartition("-")[0], ProjectCount())
