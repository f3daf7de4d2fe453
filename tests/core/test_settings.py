"""What the environment may say, in whose names, and what it is told when it is wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import AliasChoices

from ticketgen.errors import ConfigurationError
from ticketgen.settings import Settings, load_settings

FOUNDING_NAMES = {
    "DATABASE_URL": ("database_url", "postgresql://db/plain", "postgresql://db/ours"),
    "REDIS_URL": ("redis_url", "redis://plain:6379/0", "redis://ours:6379/0"),
    "ARQ_MAX_JOBS": ("max_jobs", 7, 9),
    "ARQ_JOB_TIMEOUT": ("job_timeout", timedelta(seconds=7), timedelta(seconds=9)),
    "ARQ_KEEP_RESULT": ("keep_result", timedelta(seconds=7), timedelta(seconds=9)),
    "ARQ_RETRY_DELAY": ("retry_delay", timedelta(seconds=7), timedelta(seconds=9)),
}


def _said(value: object) -> str:
    return str(int(value.total_seconds())) if isinstance(value, timedelta) else str(value)


@pytest.mark.parametrize("plain", FOUNDING_NAMES)
def test_a_name_of_the_founding_specification_is_read(
    clean_environment: pytest.MonkeyPatch, plain: str
) -> None:
    field, value, _ = FOUNDING_NAMES[plain]
    clean_environment.setenv(plain, _said(value))

    settings = load_settings()

    assert getattr(settings, field) == value


@pytest.mark.parametrize("plain", FOUNDING_NAMES)
def test_our_name_beats_the_plain_one(clean_environment: pytest.MonkeyPatch, plain: str) -> None:
    field, value, ours = FOUNDING_NAMES[plain]
    clean_environment.setenv(plain, _said(value))
    clean_environment.setenv(f"TICKETGEN_{field.upper()}", _said(ours))

    settings = load_settings()

    assert getattr(settings, field) == ours


def test_the_defaults_are_those_of_the_founding_specification(
    clean_environment: pytest.MonkeyPatch,
) -> None:
    settings = load_settings()

    assert settings.max_jobs == 2
    assert settings.job_timeout == timedelta(minutes=30)
    assert settings.keep_result == timedelta(hours=1)
    assert settings.retry_delay == timedelta(seconds=30)
    assert settings.database_url is None
    assert settings.redis_url is None
    assert settings.api_host == "127.0.0.1"


def test_what_is_handed_over_beats_the_environment(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("TICKETGEN_DATABASE_URL", "postgresql://db/environment")

    settings = load_settings(database_url="postgresql://db/given")

    assert settings.database_url == "postgresql://db/given"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("1800", timedelta(minutes=30)),
        ("0.5", timedelta(milliseconds=500)),
        ("PT30M", timedelta(minutes=30)),
        ("P7D", timedelta(days=7)),
        ("0", timedelta(0)),
    ],
)
def test_a_duration_is_seconds_or_iso_8601(
    clean_environment: pytest.MonkeyPatch, said: str, meant: timedelta
) -> None:
    clean_environment.setenv("TICKETGEN_JOB_TIMEOUT", said)

    assert load_settings().job_timeout == meant


@pytest.mark.parametrize("said", ["soon", "-5", "-PT1S", "nan", "inf", "PT30X", ""])
def test_what_is_no_duration_is_refused(clean_environment: pytest.MonkeyPatch, said: str) -> None:
    clean_environment.setenv("TICKETGEN_JOB_TIMEOUT", said)

    with pytest.raises(ConfigurationError, match="TICKETGEN_JOB_TIMEOUT or ARQ_JOB_TIMEOUT"):
        load_settings()


@pytest.mark.parametrize(("said", "why"), [("0", "greater than 0"), ("51", "equal to 50 seconds")])
def test_plugins_have_some_time_to_start_and_less_than_up_waits_for(
    clean_environment: pytest.MonkeyPatch, said: str, why: str
) -> None:
    clean_environment.setenv("TICKETGEN_PLUGIN_START_TIMEOUT", said)

    with pytest.raises(ConfigurationError, match=f"TICKETGEN_PLUGIN_START_TIMEOUT: .*{why}"):
        load_settings()


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("acme", ("acme",)),
        ("acme,apex", ("acme", "apex")),
        (" acme , apex ,", ("acme", "apex")),
        ("", ()),
    ],
)
def test_names_are_separated_by_commas(
    clean_environment: pytest.MonkeyPatch, said: str, meant: tuple[str, ...]
) -> None:
    clean_environment.setenv("TICKETGEN_BLOCKED_PLUGINS", said)

    assert load_settings().blocked_plugins == meant


def test_everything_wrong_is_said_at_once_by_the_names_of_the_variables(
    clean_environment: pytest.MonkeyPatch,
) -> None:
    clean_environment.setenv("ARQ_MAX_JOBS", "0")
    clean_environment.setenv("TICKETGEN_API_PORT", "http")
    clean_environment.setenv("TICKETGEN_LOG_FORMAT", "xml")

    with pytest.raises(ConfigurationError) as refusal:
        load_settings()

    message = refusal.value.message
    assert "TICKETGEN_MAX_JOBS or ARQ_MAX_JOBS: Input should be greater" in message
    assert "TICKETGEN_API_PORT: Input should be a valid integer" in message
    assert "TICKETGEN_LOG_FORMAT: String should match" in message
    assert refusal.value.recovery_actions


def test_an_error_does_not_repeat_the_value(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("TICKETGEN_API_PORT", "hunter2")

    with pytest.raises(ConfigurationError) as refusal:
        load_settings()

    assert "hunter2" not in refusal.value.message


def test_settings_do_not_change(clean_environment: pytest.MonkeyPatch) -> None:
    settings: Any = load_settings()

    with pytest.raises(ValueError, match="frozen"):
        settings.max_jobs = 3


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_is_described_and_has_a_name_of_ours(name: str) -> None:
    field = Settings.model_fields[name]

    assert field.description
    assert field.description.endswith(".")
    if isinstance(field.validation_alias, AliasChoices):
        assert field.validation_alias.choices[0] == f"TICKETGEN_{name.upper()}"
