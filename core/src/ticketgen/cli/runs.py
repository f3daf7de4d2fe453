"""`ticketgen runs`: what is at work, what came of it, and how to end it or try it again."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.markup import escape
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.api.routes.runs import AttemptView, RunView, view_attempt, view_run
from ticketgen.console import err, out, run
from ticketgen.domain import failures, run_attempts, task_runs
from ticketgen.domain.failures import Failure
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.ports import StartedRun
from ticketgen.runtime import Runtime, open_runtime

__all__ = ["app"]

app = typer.Typer(help="What is at work, and what came of it.", no_args_is_help=True)

_STOP_SECONDS = 3.0
"""A handler that waits now and then hears of its cancellation within two."""
_LOOK_SECONDS = 0.1

RunId = Annotated[UUID, typer.Argument(help="The run's id, from `ticketgen runs list`.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_all(
    state: Annotated[
        list[RunState] | None, typer.Option(help="In this state; may be repeated.")
    ] = None,
    task_type: Annotated[str | None, typer.Option("--type", help="Of this task type.")] = None,
    session: Annotated[UUID | None, typer.Option(help="Of this session.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first: id, state, when it was started, task type."""

    async def work() -> list[RunView]:
        async with open_runtime() as runtime, runtime.unit_of_work() as unit:
            found = await task_runs.list_runs(
                unit.db,
                states=state or (),
                task_type=task_type,
                session_id=session,
                limit=limit + 1,
            )
            return [view_run(item) for item in found]

    found = run(work())
    shown, more = found[:limit], len(found) > limit
    if as_json:
        _print_json([view.model_dump(mode="json") for view in shown])
    elif not shown:
        out.print("There is no such run.")
    for view in () if as_json else shown:
        _say(
            f"{view.task_id}  {view.state:<9}  {view.created_at:%Y-%m-%d %H:%M}  {view.task_type}"
            f"{_percentage(view)}"
        )
    if more:
        err.print(f"… and more than these {limit}; see --limit.", highlight=False)


@app.command()
def show(run_id: RunId, as_json: AsJson = False) -> None:
    """Show a run: where it stands, why it does not move, its attempts and its failures."""

    async def work() -> tuple[RunView, list[AttemptView], list[dict[str, Any]]]:
        async with open_runtime() as runtime, runtime.unit_of_work() as unit:
            return await _everything(unit.db, run_id)

    view, attempts, failed = run(work())
    if as_json:
        _print_json(
            {
                **view.model_dump(mode="json"),
                "attempts": [attempt.model_dump(mode="json") for attempt in attempts],
                "failures": failed,
            }
        )
        return
    for line in (*_run_lines(view), *map(_attempt_line, attempts)):
        _say(line)
    for failure in failed:
        for line in _failure_lines(failure):
            _say(line)


async def _everything(
    db: AsyncSession, run_id: UUID
) -> tuple[RunView, list[AttemptView], list[dict[str, Any]]]:
    view = view_run(await task_runs.get_run(db, run_id))
    attempts = await run_attempts.list_attempts(db, run_id)
    failed = await failures.failures_of_run(db, run_id)
    return view, [view_attempt(item) for item in attempts], [_plain(item) for item in failed]


def _plain(failure: Failure) -> dict[str, Any]:
    return {
        "error_id": str(failure.id),
        "attempt": failure.attempt,
        "code": failure.code,
        "error_category": str(failure.error_category),
        "severity": failure.severity,
        "user_message": failure.user_message,
        "recovery_actions": failure.recovery_actions,
        "technical_details": failure.technical_details,
        "created_at": failure.created_at.isoformat(),
    }


def _run_lines(view: RunView) -> list[str]:
    parked = (view.parked or {}).get("message")
    facts = {
        "run": f"{view.task_id}",
        "task": view.task_type,
        "state": f"{view.state}{_percentage(view)}",
        "session": view.session_id,
        "parked": parked,
        "stage": view.current_stage,
        "tries": f"{view.tries} ({view.attempt} attempts, {view.rescues} rescues)",
        "retry of": view.retry_of and f"{view.retry_of} (retry {view.retry_count} by hand)",
        "schedule": view.schedule,
        "stored": _moment(view.created_at),
        "due": _moment(view.available_at) if view.state is RunState.QUEUED else None,
        "cancelled": view.cancel_requested_at and f"asked {_moment(view.cancel_requested_at)}",
        "ended": view.finished_at and _moment(view.finished_at),
        "result": view.result_summary
        and json.dumps(view.result_summary, ensure_ascii=False)[:1_000],
    }
    return [f"{name:<10} {fact}" for name, fact in facts.items() if fact]


def _attempt_line(attempt: AttemptView) -> str:
    alone = ", alone" if attempt.alone else ""
    if attempt.lease_expires_at is not None:
        ended = f"at work, lease until {attempt.lease_expires_at:%H:%M:%S}"
    else:
        code = (attempt.error or {}).get("code")
        ended = f"{attempt.outcome}{f' ({code})' if code else ''}"
    return (
        f"attempt {attempt.attempt:<2} {_moment(attempt.started_at)}  {attempt.worker}{alone}  "
        f"{ended}"
    )


def _failure_lines(failure: dict[str, Any]) -> list[str]:
    exception = failure["technical_details"].get("exception")
    return [
        f"failure    {failure['code']} (attempt {failure['attempt']}, {failure['error_id']})",
        f"           {failure['user_message']}",
        *(f"           → {action}" for action in failure["recovery_actions"]),
        *([f"           {exception}"] if exception else []),
    ]


@app.command()
def cancel(
    run_id: RunId,
    wait: Annotated[
        bool, typer.Option(help="Wait up to 3 s to say whether it has stopped.")
    ] = True,
) -> None:
    """End a run: one that waits at once, one at work as soon as its worker hears of it."""

    async def work() -> TaskRun:
        async with open_runtime() as runtime:
            async with runtime.unit_of_work() as unit:
                asked = await unit.cancel(run_id)
            return await _watched(runtime, asked) if wait else asked

    ended = run(work())
    if ended.state is RunState.CANCELLED:
        out.print("It is cancelled.")
    elif ended.is_settled:
        _say(f"It has {ended.status} before it heard of it.")
    else:
        _say("It was asked to stop and is still at work; see `ticketgen runs show`.")


async def _watched(runtime: Runtime, asked: TaskRun) -> TaskRun:
    """The run as soon as it has ended, or as it stands after three seconds."""
    deadline = time.monotonic() + _STOP_SECONDS
    seen = asked
    while not seen.is_settled and time.monotonic() < deadline:
        await asyncio.sleep(_LOOK_SECONDS)
        async with runtime.session_factory() as db:
            seen = await task_runs.get_run(db, asked.id)
    return seen


@app.command()
def retry(run_id: RunId) -> None:
    """Try a failed or cancelled run again and print the new run's id; at most three times."""

    async def work() -> StartedRun:
        async with open_runtime() as runtime, runtime.unit_of_work() as unit:
            return await unit.retry(run_id)

    started = run(work())
    if started.existing:
        err.print("Its task is at work already, in this run:", highlight=False)
    # Not through rich: an id must be one unbroken line, so that it can be piped.
    typer.echo(str(started.run.id))


@app.command()
def resume(run_id: RunId) -> None:
    """Queue a parked run again now; it is parked anew if still nobody can run it."""

    async def work() -> None:
        async with open_runtime() as runtime, runtime.unit_of_work() as unit:
            await unit.resume(run_id)

    run(work())
    out.print("It is queued.")


def _percentage(view: RunView) -> str:
    at_work = view.state is RunState.RUNNING and view.progress_percentage is not None
    return f", {view.progress_percentage:.0f} %" if at_work else ""


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _say(line: str) -> None:
    out.print(escape(line), soft_wrap=True, highlight=False)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
