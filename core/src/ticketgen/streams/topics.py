"""What a client may follow: a session's task, whose newest run it is about, or one run."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from ticketgen.domain.task_runs import TaskRun
from ticketgen.progress import channel_of, channel_of_run, snapshot_message
from ticketgen.progress_messages import ProgressMessage

__all__ = ["RunTopic", "SessionTopic", "Topic"]


@dataclass(frozen=True, kw_only=True)
class SessionTopic:
    """A session's task: its newest run, or the first that will be."""

    task_type: str
    session_id: UUID

    @property
    def channel(self) -> str:
        """Where its messages are published."""
        return channel_of(self.task_type, session_id=self.session_id)

    def snapshot(self, run: TaskRun | None, last: ProgressMessage | None) -> ProgressMessage:
        """Where it stands."""
        return snapshot_message(run, last, task_type=self.task_type, session_id=self.session_id)


@dataclass(frozen=True, kw_only=True)
class RunTopic:
    """One run, whatever it is about; messages of other runs on its channel are not for it."""

    run_id: UUID
    channel: str
    """Where its messages are published, among those of others."""
    task_type: str
    session_id: UUID | None

    @classmethod
    def of(cls, run: TaskRun) -> RunTopic:
        """The topic of a run."""
        return cls(
            run_id=run.id,
            channel=channel_of_run(run),
            task_type=run.task_type,
            session_id=run.session_id,
        )

    def snapshot(self, run: TaskRun | None, last: ProgressMessage | None) -> ProgressMessage:
        """Where it stands."""
        return snapshot_message(run, last, task_type=self.task_type, session_id=self.session_id)


Topic = SessionTopic | RunTopic
