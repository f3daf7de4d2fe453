from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import typer.main
import websockets
from typer.testing import CliRunner

from tests.flows.commands import TICKETGEN, Up, environment, eventually, marked, run, up
from ticketgen.cli.main import app
from ticketgen.cli.worker import app as worker_app

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found through /proc"),
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One `up` for the tests that do not end it."""
    with up(tmp_path_factory.mktemp("up") / "with a space", "running") as started:
        yield started


def test_the_demo_makes_files_that_open_and_leaves_nothing_behind(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    done = run("demo", "--out", "export", cwd=tmp_path, mark="demo", TMPDIR=str(scratch))

    assert done.returncode == 0, done.stderr
    exported = re.search(r"(\d+) tickets exported in order of work: (\d+) files", done.stdout)
    assert exported is not None, done.stdout
    lines = (tmp_path / "export/tickets.jsonl").read_text().splitlines()
    documents = list((tmp_path / "export/adf").iterdir())
    with (tmp_path / "export/jira-import.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert int(exported[1]) == len(lines) == len(rows) == len(documents) > 25
    assert int(exported[2]) == len(documents) + 2
    assert [json.loads(line)["title"] for line in lines] == [row["Summary"] for row in rows]
    assert {json.loads(path.read_bytes())["type"] for path in documents} == {"doc"}
    assert marked("demo") == {}
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--spec", "empty"], "empty has no .csv or .xlsx files."),
        (["--spec", "nowhere"], "nowhere is no folder."),
        (["--spec", "dangling"], "Lost.csv cannot be read"),
        (["--out", "foreign"], "foreign holds files that are not an export."),
        (["--out", "foreign/letter.txt"], "letter.txt is a file."),
    ],
)
def test_the_demo_refuses_what_it_cannot_work_with_before_it_starts_anything(
    arguments: list[str], said: str, tmp_path: Path, clean_environment: pytest.MonkeyPatch
) -> None:
    clean_environment.chdir(tmp_path)
    for name in ("empty", "foreign", "dangling"):
        (tmp_path / name).mkdir()
    (tmp_path / "foreign/letter.txt").write_text("mine")
    (tmp_path / "dangling/Lost.csv").symlink_to("nothing")

    done = CliRunner().invoke(app, ["demo", *arguments])

    assert done.exit_code == 1
    assert said in done.stderr
    assert "→" in done.stderr
    assert (tmp_path / "foreign/letter.txt").read_text() == "mine"


def test_the_demo_names_a_file_that_is_no_sheet_and_stops(tmp_path: Path) -> None:
    (tmp_path / "spec").mkdir()
    (tmp_path / "spec/Bundles.csv").write_text("Name,Machine name,Type\nTopics,topics,Vocabulary\n")
    (tmp_path / "spec/Photo.csv").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(90))

    done = run("demo", "--spec", "spec", cwd=tmp_path, mark="bad-demo")

    assert done.returncode == 1
    assert "Photo.csv" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "ticketgen-export").exists()
    assert marked("bad-demo") == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_interrupted_stops_everything(
    number: signal.Signals, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    mark = f"interrupted-{number.name}"
    process = subprocess.Popen(
        [*TICKETGEN, "demo"],
        cwd=tmp_path,
        env=environment(mark, TMPDIR=str(scratch)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert eventually(lambda: any("ticketgen api" in line for line in marked(mark).values()))

    process.send_signal(number)
    _, said = process.communicate(timeout=100)

    assert process.returncode == 128 + number
    assert b"Traceback" not in said
    assert eventually(lambda: not marked(mark)), marked(mark)
    assert list(scratch.iterdir()) == []


def test_up_says_where_it_is_and_keeps_its_token_private(running: Up) -> None:
    token_file = running.data_dir / "token"

    answer = httpx2.get(
        f"{running.url}/api/sessions", headers={"Authorization": f"Bearer {running.token}"}
    )

    assert running.url.startswith("http://127.0.0.1:")
    assert str(token_file) in running.greeting
    assert token_file.stat().st_mode & 0o777 == 0o600
    assert [session["id"] for session in answer.json()] == [running.session_id]
    assert httpx2.get(f"{running.url}/api/sessions").status_code == 401


async def test_the_command_of_the_greeting_starts_what_the_pass_lets_anyone_watch(
    running: Up, tmp_path: Path
) -> None:
    curl = next(line for line in running.greeting.splitlines() if "curl -X POST" in line)
    shown = run(
        "stream-pass",
        running.session_id,
        "processing",
        cwd=tmp_path,
        TICKETGEN_DATA_DIR=str(running.data_dir),
    )

    async with websockets.connect(shown.stdout.strip()) as stream:
        messages = [json.loads(await stream.recv())]
        await asyncio.to_thread(_shell, f"{curl} --silent --fail")
        messages += [json.loads(raw) async for raw in stream]

    assert messages[0]["type"] == "snapshot"
    assert messages[-1]["type"] == "completed"
    assert messages[-1]["result_summary"]["tickets_generated"] > 25
    shares = [message["progress_percentage"] for message in messages[1:-1]]
    assert shares == sorted(shares)


def _shell(line: str) -> None:
    subprocess.run(["sh", "-c", line], check=True, capture_output=True)


def test_a_second_up_in_the_same_directory_says_who_is_there(running: Up, tmp_path: Path) -> None:
    port = running.url.rpartition(":")[2]

    for wanted in ("0", port):
        second = run(
            "up", "--port", wanted, "--data-dir", str(running.data_dir), cwd=tmp_path, mark="second"
        )

        assert second.returncode == 1
        assert str(running.process.pid) in second.stderr
        assert "Traceback" not in second.stderr
    assert marked("second") == {}
    assert httpx2.get(f"{running.url}/health/live").is_success


def test_up_on_a_port_that_is_taken_says_so_and_stops_its_servers(
    running: Up, tmp_path: Path
) -> None:
    port = running.url.rpartition(":")[2]

    second = run(
        "up", "--port", port, "--data-dir", str(tmp_path / "other"), cwd=tmp_path, mark="taken"
    )

    assert second.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in second.stderr
    assert "--port" in second.stderr
    assert marked("taken") == {}


def test_doctor_is_content_while_up_runs(running: Up, tmp_path: Path) -> None:
    well = run("doctor", cwd=tmp_path, TICKETGEN_DATA_DIR=str(running.data_dir))

    assert well.returncode == 0, well.stdout
    assert f"running as process {running.process.pid}" in well.stdout
    assert "wrong" not in well.stdout


def test_doctor_says_what_to_do_where_nothing_runs(tmp_path: Path) -> None:
    ill = run("doctor", cwd=tmp_path, TICKETGEN_DATA_DIR=str(tmp_path))

    assert ill.returncode == 1
    assert "ticketgen up" in ill.stdout
    assert "TICKETGEN_DATABASE_URL" in ill.stdout
    assert "Traceback" not in ill.stderr


def test_a_stream_pass_of_an_api_that_is_away_is_an_error_not_a_traceback(
    clean_environment: pytest.MonkeyPatch,
) -> None:
    session_id = "01a20a86-2557-7383-8774-206a8246dd83"
    nobody = ["--url", "http://127.0.0.1:9", "--token", "none"]

    asked = CliRunner().invoke(app, ["stream-pass", session_id, "processing", *nobody])

    assert asked.exit_code == 1
    assert "cannot be reached" in asked.stderr
    assert "ticketgen doctor" in asked.stderr


def test_a_worker_that_was_killed_is_started_again(running: Up, tmp_path: Path) -> None:
    [worker] = running.children("ticketgen.cli.worker")

    os.kill(worker, signal.SIGKILL)

    assert eventually(lambda: running.children("ticketgen.cli.worker") not in ([], [worker])), (
        running.log.read_text()
    )
    assert httpx2.get(f"{running.url}/health/live").is_success


async def test_data_and_token_stay_between_two_runs_and_no_end_leaves_a_process(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "kept"
    with up(folder, "first-run") as first:
        async with websockets.connect(first.pass_url) as stream:
            snapshot = json.loads(await stream.recv())
        token, session_id = first.token, first.session_id
        first.process.send_signal(signal.SIGTERM)
        ended = await asyncio.to_thread(first.process.wait, 60)
        gone = eventually(lambda: not marked("first-run"))

    with up(folder, "second-run") as second:
        answer = httpx2.get(
            f"{second.url}/api/sessions/{session_id}", headers={"Authorization": f"Bearer {token}"}
        )
        assert second.session_id == session_id
        assert second.token == token
        second.process.kill()
        killed_gone = eventually(lambda: not marked("second-run"))

    assert snapshot["session_id"] == session_id
    assert (ended, gone, killed_gone) == (0, True, True)
    assert answer.json()["name"].startswith("Tidemark Museum")


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield path
    for name, child in getattr(command, "commands", {}).items():
        yield from _commands(child, (*path, name))


ALL_COMMANDS = list(_commands(typer.main.get_command(app), ()))


@pytest.mark.parametrize("path", ALL_COMMANDS, ids=" ".join)
def test_every_command_and_every_option_has_a_help(path: tuple[str, ...]) -> None:
    command: Any = typer.main.get_command(app)
    for name in path:
        command = command.commands[name]

    page = CliRunner().invoke(app, [*path, "--help"])

    assert page.exit_code == 0
    assert "Usage:" in page.output
    assert command.help
    for parameter in command.params:
        hidden = getattr(parameter, "hidden", False)
        assert hidden or getattr(parameter, "help", None), f"{path}: {parameter.name}"


def test_the_help_pages_come_out_of_the_processes(tmp_path: Path) -> None:
    pages = [
        run("--help", cwd=tmp_path),
        subprocess.run(
            [str(Path(sys.executable).with_name("ticketgen-worker")), "--help"],
            env=environment("none"),
            capture_output=True,
            text=True,
            check=False,
        ),
    ]

    assert [page.returncode for page in pages] == [0, 0]
    assert len(ALL_COMMANDS) > 12
    assert all(f" {path[0]} " in pages[0].stdout for path in ALL_COMMANDS if path)
    assert "--max-jobs" in pages[1].stdout
    assert typer.main.get_command(worker_app).help


def test_the_plugins_are_listed_as_json(clean_environment: pytest.MonkeyPatch) -> None:
    listed = CliRunner().invoke(app, ["plugins", "--json"])

    found = {view["name"]: view["status"] for view in json.loads(listed.stdout)}
    assert listed.exit_code == 0
    assert found == dict.fromkeys(("adf_validation", "cleanup", "export", "processing"), "active")
