from __future__ import annotations

import pytest

from ticketgen.domain.sessions import Stage
from ticketgen.provides import ExportTarget
from ticketgen.registry import load_registry
from ticketgen.settings import Settings
from ticketgen_export.plugin import ticketgen_plugin
from ticketgen_processing.plugin import ticketgen_plugin as processing


def test_only_a_complete_export_completes_the_session() -> None:
    [task] = ticketgen_plugin().tasks

    assert (task.name, task.job_name) == ("export", "export_session_job")
    assert task.stages is not None
    assert task.stages.on_start is Stage.JIRA_EXPORT
    assert task.stages.on_success is Stage.COMPLETED
    assert task.stages.on_failure is Stage.JIRA_EXPORT


def test_an_export_and_a_generation_exclude_each_other() -> None:
    [export], tasks = ticketgen_plugin().tasks, processing().tasks
    groups = {task.name: task.conflict_group for task in tasks}

    assert export.conflict_group is not None
    assert groups["processing"] == groups["processing.regenerate"] == export.conflict_group


def test_the_host_finds_the_targets(clean_environment: pytest.MonkeyPatch) -> None:
    registry = load_registry(Settings())

    assert [target.name for target in registry.provided(ExportTarget)] == ["file", "jira"]
