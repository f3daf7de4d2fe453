"""The documents are true: reference pages match the code, the example plugin works, links lead."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import pytest

from tests.rules.tree import ROOT, project_files
from ticketgen.discovery import PluginStatus
from ticketgen.domain.task_runs import RunState
from ticketgen.registry import load_registry
from ticketgen.settings import Settings
from ticketgen.testing import Api, InstalledPlugin, run_to_end, start_session

PAGE = ROOT / "docs" / "writing-a-plugin.md"
BUILD = ROOT / "docs" / "reference" / "build.py"
DOCUMENTS = [path for path in project_files() if path.suffix == ".md"]

_BLOCK = re.compile(r"<!-- file: (\S+) -->\n```python\n(.*?)```", re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)


def _source(file: str) -> str:
    """All blocks of the page that belong to one file, in their order."""
    blocks = _BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    return "\n\n".join(code for name, code in blocks if name == file)


TESTS_OF_THE_PAGE = re.findall(
    r"^(?:async )?def (test_\w+)", _source("test_acme_labels.py"), re.MULTILINE
)


@pytest.fixture
def acme_labels(install_plugin: Callable[..., InstalledPlugin]) -> InstalledPlugin:
    """The plugin that the page builds, installed."""
    return install_plugin("acme_labels", _source("ticketgen_acme_labels.py"))


@pytest.fixture
def settings(settings: Settings, acme_labels: InstalledPlugin) -> Settings:
    """The kit's settings, asked for after the plugin is there: the runtime comes later still."""
    return settings


def _anchors(document: Path) -> set[str]:
    """The fragments by which the headings of a document can be reached."""
    text = _FENCE.sub("", document.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _leads(document: Path, link: str) -> bool:
    path, _, fragment = link.partition("#")
    target = (document.parent / unquote(path)).resolve() if path else document
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not fragment or (target.suffix == ".md" and fragment in _anchors(target))


def _links(document: Path) -> list[str]:
    text = _FENCE.sub("", document.read_text(encoding="utf-8"))
    return [link for link in _LINK.findall(text) if not re.match(r"[a-z]+:", link)]


def _build(*arguments: str, script: Path = BUILD) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_reference_pages_say_what_the_code_says() -> None:
    checked = _build("--check")

    assert checked.returncode == 0, checked.stderr


def test_a_reference_page_that_differs_is_named(tmp_path: Path) -> None:
    script = tmp_path / "build.py"
    for file in BUILD.parent.glob("*.*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "errors.md").write_text("# Errors\n", encoding="utf-8")

    checked = _build("--check", script=script)

    assert checked.returncode == 1
    assert "errors.md is out of date" in checked.stderr
    assert "settings.md" not in checked.stderr
    assert (tmp_path / "errors.md").read_text(encoding="utf-8") == "# Errors\n"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    dead = [link for link in _links(document) if not _leads(document, link)]

    assert dead == []


def test_a_dead_link_would_be_found() -> None:
    document = ROOT / "docs" / "writing-a-plugin.md"

    assert _leads(document, "#one-name")
    assert not _leads(document, "#no-such-heading")
    assert not _leads(document, "no-such-page.md")


def test_every_python_block_of_the_page_belongs_to_a_file() -> None:
    text = PAGE.read_text(encoding="utf-8")

    assert text.count("```python") == len(_BLOCK.findall(text)) > 5
    assert len(TESTS_OF_THE_PAGE) > 2


def test_the_plugin_of_the_page_keeps_the_contract(
    acme_labels: InstalledPlugin, clean_environment: pytest.MonkeyPatch
) -> None:
    registry = load_registry(Settings(strict_plugins=True))

    found = {plugin.name: plugin for plugin in registry.plugins}["acme_labels"]

    assert found.status is PluginStatus.ACTIVE
    assert found.problems == ()
    assert {"acme_labels", "acme_labels.night"} <= set(registry.tasks)
    assert registry.hooks.implementers("ticketgen_check_ticket") == ["acme_labels", "export"]


@pytest.mark.services
async def test_the_task_of_the_page_runs_to_its_end(api: Api) -> None:
    sheet = b"Name,Machine name,Type\nArticle,article,Content type\n"
    session_id = await start_session(api, {"Bundles.csv": sheet})
    generated = await api.client.post(f"/api/processing/start/{session_id}")
    await run_to_end(api.runtime, UUID(generated.json()["task_id"]))

    started = await api.client.post(f"/api/acme_labels/start/{session_id}")
    run = await run_to_end(api.runtime, UUID(started.json()["task_id"]))

    assert run.state is RunState.COMPLETED
    assert run.result_summary == {"tickets_labelled": 1, "labels": {"acme-content-types": 1}}


@pytest.mark.services
@pytest.mark.parametrize("name", TESTS_OF_THE_PAGE)
async def test_a_test_of_the_page_passes(name: str, api: Api) -> None:
    namespace: dict[str, Any] = {}
    exec(compile(_source("test_acme_labels.py"), str(PAGE), "exec"), namespace)
    test = namespace[name]
    wanted = {"api": api}

    outcome = test(**{key: wanted[key] for key in inspect.signature(test).parameters})
    if inspect.isawaitable(outcome):
        await outcome
