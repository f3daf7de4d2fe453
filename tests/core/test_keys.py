"""Keys: what is one, what is said of those that are none, and how that of a directory is kept."""

from __future__ import annotations

import secrets
import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from ticketgen.attached import with_key
from ticketgen.cli.local import process_environment
from ticketgen.errors import ConfigurationError
from ticketgen.key_file import keep_key, key_file, read_key
from ticketgen.sealing import KeyRing, NotOpenedError, is_key, new_key
from ticketgen.settings import Settings, load_settings


def test_a_key_is_one_of_fernet() -> None:
    assert is_key(new_key())
    assert is_key(Fernet.generate_key().decode())
    assert new_key() != new_key()


@pytest.mark.parametrize(
    "text",
    ["", "short", "ä" * 44, secrets.token_urlsafe(31), "=" * 44],
    ids=["nothing", "short", "no ASCII", "too few bytes", "no bytes"],
)
def test_anything_else_is_none(text: str) -> None:
    assert not is_key(text)


@pytest.mark.parametrize(
    "value",
    [f"{new_key()},{secrets.token_hex(20)}", secrets.token_urlsafe(40)],
    ids=["the second", "the only one"],
)
def test_what_is_no_key_is_refused_without_being_repeated(
    clean_environment: pytest.MonkeyPatch, value: str
) -> None:
    clean_environment.setenv("TICKETGEN_SECRET_KEYS", value)

    with pytest.raises(ConfigurationError) as refused:
        load_settings()

    said = f"{refused.value} {refused.value.recovery_actions} {refused.value.technical_details}"
    assert "TICKETGEN_SECRET_KEYS: " in said
    assert "ticketgen secrets new-key" in said
    assert refused.value.__cause__ is None
    for part in value.split(","):
        assert part not in said


def test_the_settings_hold_keys_in_their_order_and_do_not_show_them(
    clean_environment: pytest.MonkeyPatch,
) -> None:
    keys = [new_key(), new_key()]
    clean_environment.setenv("TICKETGEN_SECRET_KEYS", " , ".join(keys))

    settings = load_settings()

    assert [key.get_secret_value() for key in settings.secret_keys] == keys
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert not any(key in shown for key in keys)


def test_what_is_damaged_does_not_open() -> None:
    ring = KeyRing((new_key(),))
    sealed = bytearray(ring.seal(b"content"))
    sealed[-5] ^= 1

    with pytest.raises(NotOpenedError):
        ring.open(bytes(sealed))


def test_the_key_of_a_directory_is_made_once_for_all_and_for_its_owner_alone(
    tmp_path: Path,
) -> None:
    assert read_key(tmp_path) is None

    made = keep_key(tmp_path)
    again = keep_key(tmp_path)

    assert made == again == read_key(tmp_path)
    assert is_key(again)
    assert stat.S_IMODE(key_file(tmp_path).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_a_key_that_was_made_meanwhile_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = new_key()
    modes: list[int] = []

    def late(draft: Path, path: Path) -> None:
        modes.append(stat.S_IMODE(draft.stat().st_mode))
        path.write_text(theirs)
        raise FileExistsError

    monkeypatch.setattr("ticketgen.key_file.os.link", late)

    assert keep_key(tmp_path) == theirs
    assert modes == [0o600], "at no moment could anybody else read it"


@pytest.mark.parametrize("content", ["", "nonsense", "ä"])
def test_a_file_with_something_else_stops_instead_of_being_replaced(
    tmp_path: Path, content: str
) -> None:
    key_file(tmp_path).write_text(content)

    with pytest.raises(ConfigurationError, match=r"secret\.key"):
        keep_key(tmp_path)

    assert key_file(tmp_path).read_text() == content


def test_the_key_of_the_directory_stands_behind_those_of_the_settings() -> None:
    given, kept = new_key(), new_key()
    settings = Settings(secret_keys=(SecretStr(given),))

    both = with_key(settings, kept)

    assert [key.get_secret_value() for key in both] == [given, kept]
    assert with_key(settings, given) == settings.secret_keys


def test_the_processes_of_a_system_have_its_keys(clean_environment: pytest.MonkeyPatch) -> None:
    keys = (SecretStr(new_key()), SecretStr(new_key()))

    environment = process_environment(Settings(secret_keys=keys))

    for name, value in environment.items():
        clean_environment.setenv(name, value)
    assert load_settings().secret_keys == keys
