"""A host without the export: everything else works, and nothing of it is left over.

Once it is installed but blocked; once its distribution is really not there, in an environment
of links to everything else that is installed.
"""

from __future__ import annotations

import json
import subprocess
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.flows.commands import Up, environment, eventually, up

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found through /proc"),
]

OTHERS = ["adf_validation", "cleanup", "processing"]


@pytest.fixture(scope="module")
def without_export(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter for which everything but ticketgen-export is installed."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin/python"
    asked = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    library = Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if "ticketgen_export" not in entry.name and not (library / entry.name).exists():
            (library / entry.name).symlink_to(entry)
    return str(python)


@pytest.fixture(scope="module", params=["blocked", "uninstalled"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """`up` without the export, for one reason or the other."""
    folder = tmp_path_factory.mktemp(request.param) / "data"
    if request.param == "blocked":
        with up(folder, "blocked", TICKETGEN_BLOCKED_PLUGINS="export") as started:
            yield started
    else:
        python = request.getfixturevalue("without_export")
        with up(folder, "uninstalled", python=python) as started:
            yield started


def _get(host: Up, path: str) -> httpx2.Response:
    return httpx2.get(host.url + path, headers={"Authorization": f"Bearer {host.token}"})


def _finished(host: Up, task: str) -> bool:
    status = _get(host, f"/api/{task}/status/{host.session_id}").json()["status"]
    assert status in {"processing", "completed"}, status
    return bool(status == "completed")


def test_the_interpreter_of_these_tests_has_no_export(without_export: str) -> None:
    tried = subprocess.run(
        [without_export, "-c", "import ticketgen_processing, ticketgen_export"],
        env=environment("none"),
        capture_output=True,
        text=True,
        check=False,
    )

    assert tried.returncode == 1
    assert "No module named 'ticketgen_export'" in tried.stderr


def test_the_plugins_are_listed_without_it(without_export: str) -> None:
    listed = subprocess.run(
        [without_export, "-m", "ticketgen", "plugins", "--json"],
        env=environment("none"),
        capture_output=True,
        text=True,
        check=True,
    )

    assert [view["name"] for view in json.loads(listed.stdout)] == OTHERS


def test_its_routes_and_its_channel_are_not_there(host: Up) -> None:
    answers = [
        _get(host, path)
        for path in (
            "/api/export/targets",
            f"/api/export/status/{host.session_id}",
            f"/api/export/download/{host.session_id}",
        )
    ]

    active = [view for view in _get(host, "/api/plugins").json() if view["status"] == "active"]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert [view["name"] for view in active] == OTHERS


def test_the_rest_of_the_journey_works(host: Up) -> None:
    for task in ("processing", "adf_validation"):
        started = httpx2.post(
            f"{host.url}/api/{task}/start/{host.session_id}",
            headers={"Authorization": f"Bearer {host.token}"},
        )
        assert started.status_code == 202, started.text
        assert eventually(lambda task=task: _finished(host, task))  # type: ignore[misc]

    report = _get(host, f"/api/adf_validation/results/{host.session_id}").json()
    assert (report["passed"], report["fresh"]) == (True, True)


def test_the_host_is_ready_and_its_worker_lives(host: Up) -> None:
    ready = _get(host, "/health/ready")

    assert ready.status_code == 200, ready.text
    assert all(check["ok"] for check in ready.json()["checks"])
    assert _get(host, "/health").json()["worker"] == "healthy"
