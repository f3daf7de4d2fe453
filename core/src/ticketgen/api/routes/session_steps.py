"""What a person can do next in a session, and where: a list, the likeliest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict

from ticketgen.api.routes import session_examples
from ticketgen.domain.recovery import Recoverable
from ticketgen.domain.sessions import Stage
from ticketgen.domain.stages import Mover, may_follow, rollback_targets
from ticketgen.domain.task_runs import RunState
from ticketgen.plugin import Caller, StageMoves, Subject, Task
from ticketgen.starting import MAX_RETRIES

__all__ = ["NextStep", "next_steps"]

_ORDER = list(Stage)

_RETRYABLE = frozenset({RunState.FAILED, RunState.CANCELLED})


class NextStep(BaseModel):
    """One thing that can be done now."""

    model_config = ConfigDict(json_schema_extra={"examples": [session_examples.NEXT_STEP]})

    title: str
    method: str
    path: str


def next_steps(item: Recoverable, tasks: Iterable[Task[Any, Any]]) -> list[NextStep]:
    """Promise steps that the session's stage allows; `tasks` are those that can be started.

    A step may still be refused for what only its own check sees, such as errors in the sheets.
    """
    place = f"/api/sessions/{item.session.id}"
    if item.active:
        return list(_while_active(item, place))
    return [
        *_retry(item),
        *_upload(item, place),
        *_starts(item, tasks),
        *_review(item, place),
        *_back(item, place),
        NextStep(title="Delete the session.", method="DELETE", path=place),
    ]


def _while_active(item: Recoverable, place: str) -> Iterator[NextStep]:
    for run in item.active:
        yield NextStep(
            title=f"See how far `{run.task_type}` is.", method="GET", path=f"/api/runs/{run.id}"
        )
    yield NextStep(title="Cancel what is at work.", method="POST", path=f"{place}/cancel")


def _retry(item: Recoverable) -> Iterator[NextStep]:
    last = item.last_failure
    if last is None or last.run is None or last.superseded or last.overcome:
        return
    if last.run.state in _RETRYABLE and last.run.retry_count < MAX_RETRIES:
        yield NextStep(
            title=f"Try `{last.run.task_type}` again.",
            method="POST",
            path=f"/api/runs/{last.run.id}/retry",
        )


def _upload(item: Recoverable, place: str) -> Iterator[NextStep]:
    if not may_follow(item.session.stage, Stage.UPLOAD, by=Mover.FILES) or item.counts.tickets:
        return
    title = "Upload more sheets, or better ones." if item.counts.files else "Upload the sheets."
    yield NextStep(title=title, method="POST", path=f"{place}/uploads")


def _starts(item: Recoverable, tasks: Iterable[Task[Any, Any]]) -> Iterator[NextStep]:
    fitting = [task for task in tasks if _fits(item, task)]
    for task in sorted(fitting, key=lambda task: _rank(item.session.stage, task)):
        yield NextStep(
            title=task.summary,
            method="POST",
            path=f"/api/{task.name}/start/{item.session.id}",
        )


def _fits(item: Recoverable, task: Task[Any, Any]) -> bool:
    moves = task.stages
    if (
        moves is None
        or item.session.stage not in moves.allowed
        or task.subject is not Subject.SESSION
        or task.startable_by is not Caller.OWNER
        or any(field.is_required() for field in task.request.model_fields.values())
    ):
        return False
    if moves.on_success is Stage.COMPLETED:
        return item.counts.validated
    needs_files = moves.on_start is Stage.PROCESSING or item.session.stage in _ORDER[:2]
    return item.counts.files > 0 if needs_files else item.counts.tickets > 0


def _rank(stage: Stage, task: Task[Any, Any]) -> int:
    """What takes the session forward first, and what takes it back last."""
    moves = task.stages or StageMoves(allowed=())
    if moves.on_success is None:
        return 1
    return 0 if _ORDER.index(moves.on_success) > _ORDER.index(stage) else 2


def _review(item: Recoverable, place: str) -> Iterator[NextStep]:
    if item.counts.tickets:
        yield NextStep(title="Read the tickets.", method="GET", path=f"{place}/tickets")
        yield NextStep(
            title="See what an export still needs.",
            method="GET",
            path=f"{place}/export-readiness",
        )


def _back(item: Recoverable, place: str) -> Iterator[NextStep]:
    for stage in rollback_targets(item.session.stage):
        yield NextStep(
            title=f"See what going back to `{stage}` would delete.",
            method="GET",
            path=f"{place}/rollback?to={stage}",
        )
