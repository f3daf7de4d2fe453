"""What a route answers when it has started a task."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, Field

from ticketgen.domain.task_runs import RunState
from ticketgen.ports import StartedRun
from ticketgen.progress import channel_of_run

__all__ = ["TaskStarted", "started_answer"]


class TaskStarted(BaseModel):
    """The answer to a start: stored, and on its way to a worker."""

    task_id: UUID = Field(description="The run's id, also at /api/runs/{task_id}.")
    session_id: UUID | None
    task_type: str
    status: str = Field(description="`processing`, until the run has ended.")
    state: RunState
    existing: bool = Field(description="True: it was running already; this is its id.")
    progress_channel: str = Field(description="Where its progress is published.")

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "task_id": "019ac0de-0000-7000-8000-000000000001",
                    "session_id": "019ac0de-0000-7000-8000-000000000000",
                    "task_type": "processing",
                    "status": "processing",
                    "state": "queued",
                    "existing": False,
                    "progress_channel": "progress:019ac0de-0000-7000-8000-000000000000:processing",
                }
            ]
        }
    }


def started_answer(started: StartedRun) -> TaskStarted:
    """The 202 for a started run."""
    run = started.run
    return TaskStarted(
        task_id=run.id,
        session_id=run.session_id,
        task_type=run.task_type,
        status=run.status,
        state=run.state,
        existing=started.existing,
        progress_channel=channel_of_run(run),
    )
