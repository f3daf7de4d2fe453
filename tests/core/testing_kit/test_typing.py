"""What an author writes wrongly in a task, a type checker says before anything runs."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from tests.rules.tree import PLUGINS, ROOT

HEAD = """\
from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from ticketgen import BlockingContext, NoRequest, StartContext, Task, TaskContext, in_thread


class Payload(BaseModel):
    size: int = 1


class Other(BaseModel):
    name: str = ""


async def prepare(start: StartContext, request: NoRequest) -> Payload:
    return Payload()


async def handle(ctx: TaskContext, payload: Payload) -> dict[str, Any]:
    return {"size": payload.size}

"""

TASK = """
Task(
    name="acme", summary="Does it.", request=NoRequest, payload=Payload, job_name="acme_job",
    prepare={prepare}, handler={handler},
)
"""

CASES = {
    "right": ("", "prepare", "handle", None),
    "a_plain_function_in_a_thread": (
        "def compute(ctx: BlockingContext, payload: Payload) -> dict[str, Any]: return {}",
        "prepare",
        "in_thread(compute)",
        None,
    ),
    "a_handler_of_another_payload": (
        "async def wrong(ctx: TaskContext, payload: Other) -> dict[str, Any]: return {}",
        "prepare",
        "wrong",
        'Argument "handler"',
    ),
    "a_handler_that_is_no_coroutine": (
        "def wrong(ctx: TaskContext, payload: Payload) -> dict[str, Any]: return {}",
        "prepare",
        "wrong",
        'Argument "handler"',
    ),
    "a_handler_that_returns_a_text": (
        'async def wrong(ctx: TaskContext, payload: Payload) -> str: return ""',
        "prepare",
        "wrong",
        'Argument "handler"',
    ),
    "a_thread_with_another_payload": (
        "def wrong(ctx: BlockingContext, payload: Other) -> dict[str, Any]: return {}",
        "prepare",
        "in_thread(wrong)",
        "in_thread",
    ),
    "a_prepare_of_another_request": (
        "async def wrong(start: StartContext, request: Other) -> Payload: return Payload()",
        "wrong",
        "handle",
        'Argument "prepare"',
    ),
    "a_prepare_of_another_payload": (
        "async def wrong(start: StartContext, request: NoRequest) -> Other: return Other()",
        "wrong",
        "handle",
        'Argument "prepare"',
    ),
    "a_field_the_payload_has_not": (
        "async def wrong(ctx: TaskContext, payload: Payload) -> dict[str, Any]:\n"
        '    return {"name": payload.name}',
        "prepare",
        "wrong",
        'has no attribute "name"',
    ),
}


def _said(folder: Path) -> dict[str, list[str]]:
    """What mypy says of each case; the project's own cache makes it quick after `make types`."""
    for name, (code, prepare, handler, _) in CASES.items():
        task = TASK.format(prepare=prepare, handler=handler)
        (folder / f"{name}.py").write_text(f"{HEAD}\n{code}\n{task}", encoding="utf-8")
    files = [str(folder / f"{name}.py") for name in CASES]
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--follow-imports=silent", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode in {0, 1}, checked.stderr
    lines = [line for line in checked.stdout.splitlines() if ": error: " in line]
    return {name: [line for line in lines if f"{name}.py:" in line] for name in CASES}


@pytest.mark.timeout(600)  # without a cache it reads every dependency
def test_a_type_checker_sees_whether_a_task_fits_its_functions(tmp_path: Path) -> None:
    said = _said(tmp_path)

    for name, (_, _, _, expected) in CASES.items():
        assert len(said[name]) == (expected is not None), (name, said[name])
        assert expected is None or expected in said[name][0]


@pytest.mark.parametrize("folder", [ROOT / "core", *(ROOT / "plugins" / name for name in PLUGINS)])
def test_the_wheel_of_a_member_says_that_it_is_typed(folder: Path, tmp_path: Path) -> None:
    builder = WheelBuilder(str(folder))

    [wheel] = builder.build(directory=str(tmp_path), versions=["standard"])

    with zipfile.ZipFile(wheel) as archive:
        typed = [name for name in archive.namelist() if name.endswith("py.typed")]
    assert [name.count("/") for name in typed] == [1]
