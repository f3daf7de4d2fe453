"""The key of `ticketgen up` is made once, and serves its processes and the commands beside it."""

from __future__ import annotations

import asyncio
import secrets
import signal
import stat
import subprocess
from pathlib import Path

import httpx2
import pytest

from tests.flows.commands import Up, run, up
from ticketgen.sealing import fingerprint, new_key
from ticketgen_export.jira_stub import JiraStub, serving_stub

pytestmark = pytest.mark.services

EMAIL = "mia@example.org"


async def _connect(running: Up, url: str, token: str) -> httpx2.Response:
    async with httpx2.AsyncClient(timeout=30) as client:
        return await client.post(
            f"{running.url}/api/export/connections",
            json={"site_url": url, "email": EMAIL, "token": token},
            headers={"Authorization": f"Bearer {running.token}"},
        )


async def _run(*arguments: str, cwd: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        lambda: run(*arguments, cwd=cwd, mark="command", timeout=100, **extra)
    )


async def test_what_one_up_has_sealed_the_commands_and_the_next_up_open(tmp_path: Path) -> None:
    folder, token, other = tmp_path / "data", secrets.token_urlsafe(24), new_key()
    here = {"TICKETGEN_DATA_DIR": str(folder)}
    stub = JiraStub()
    stub.add_account(EMAIL, token, "Mia Moor")

    async with serving_stub(stub) as url:
        with up(folder, "first") as first:
            made = await _connect(first, url, token)
            listed = await _run("export", "connections", cwd=tmp_path, **here)
            checked = await _run("export", "check", made.json()["id"], cwd=tmp_path, **here)
            well = await _run("doctor", cwd=tmp_path, **here)
            first.process.send_signal(signal.SIGTERM)
            first.process.wait(60)
        with up(folder, "second", TICKETGEN_SECRET_KEYS=other):
            keys = here | {"TICKETGEN_SECRET_KEYS": other}
            again = await _run("export", "check", made.json()["id"], cwd=tmp_path, **keys)
            rotated = await _run("secrets", "rotate", cwd=tmp_path, **keys)
            status = await _run("secrets", "status", cwd=tmp_path, **keys)

    key = (folder / "secret.key").read_text().strip()
    assert made.status_code == 201, made.text
    assert (listed.returncode, checked.returncode) == (0, 0), checked.stderr
    assert "1 keys, 1 kept" in well.stdout
    assert again.returncode == 0, again.stderr
    assert rotated.returncode == 0, rotated.stderr
    assert f"{fingerprint(other)}       1  seals and opens" in status.stdout
    assert f"{fingerprint(key)}       0  opens" in status.stdout
    assert stat.S_IMODE((folder / "secret.key").stat().st_mode) == 0o600
    for log in (folder / "logs").iterdir():
        assert not any(secret in log.read_text() for secret in (token, key, other))
