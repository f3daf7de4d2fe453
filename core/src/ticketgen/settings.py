"""The host's settings, read from the environment once at the process edge.

`TICKETGEN_*` beats the plain names of the founding specification (`DATABASE_URL`, `REDIS_URL`,
`ARQ_MAX_JOBS`, `ARQ_JOB_TIMEOUT`, `ARQ_KEEP_RESULT`, `ARQ_RETRY_DELAY`). Durations are seconds
or ISO 8601 (`1800`, `PT30M`); sizes are bytes.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Self

import platformdirs
from annotated_types import Ge
from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ticketgen.errors import ConfigurationError
from ticketgen.sealing import is_key

__all__ = ["Duration", "Names", "Settings", "load_settings"]


def _seconds(value: Any) -> Any:
    """Let an environment variable say plain seconds, as the founding specification does."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _names(value: Any) -> Any:
    """Let an environment variable say `a,b` instead of a JSON list."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Duration = Annotated[timedelta, BeforeValidator(_seconds), Ge(timedelta(0))]
"""A duration, never negative; an environment variable may give plain seconds."""

Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]
"""Names; an environment variable gives them separated by commas."""


def _keys(keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    """Say which of the keys is none, never what it looks like."""
    for number, key in enumerate(keys, 1):
        if not is_key(key.get_secret_value()):
            raise ValueError(
                f"key {number} of {len(keys)} is none: a key is 32 bytes in URL-safe base64, "
                "as `ticketgen secrets new-key` makes them"
            )
    return keys


SecretKeys = Annotated[
    tuple[SecretStr, ...], NoDecode, BeforeValidator(_names), AfterValidator(_keys)
]


def _either(name: str, *plain: str) -> AliasChoices:
    return AliasChoices(f"TICKETGEN_{name}", *plain)


class Settings(BaseSettings):
    """Everything an operator can set; plugins' own settings live under their own prefix."""

    model_config = SettingsConfigDict(
        env_prefix="TICKETGEN_",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        # What was given is not repeated where it is refused: it may be a key or a password.
        hide_input_in_errors=True,
    )

    database_url: str | None = Field(
        default=None,
        validation_alias=_either("DATABASE_URL", "DATABASE_URL"),
        description="Postgres, as postgresql://… ; unset: the servers of a running `ticketgen up`.",
    )
    redis_url: str | None = Field(
        default=None,
        validation_alias=_either("REDIS_URL", "REDIS_URL"),
        description="Redis or Valkey, as redis://, rediss:// or unix:// ; unset: as above.",
    )
    data_dir: Path = Field(
        default_factory=lambda: platformdirs.user_data_path("ticketgen"),
        description="Where `ticketgen up` keeps its servers' data and the local token.",
    )

    secret_keys: SecretKeys = Field(
        default=(),
        description=(
            "Keys that secrets of other systems are sealed with at rest; the first seals, all "
            "open. `ticketgen secrets new-key` makes one; unset: that of `ticketgen up`."
        ),
    )

    max_jobs: int = Field(
        default=2,
        ge=1,
        validation_alias=_either("MAX_JOBS", "ARQ_MAX_JOBS"),
        description="Runs one worker process executes at once.",
    )
    job_timeout: Duration = Field(
        default=timedelta(seconds=1800),
        validation_alias=_either("JOB_TIMEOUT", "ARQ_JOB_TIMEOUT"),
        description="Longest a run may take where its task type sets no limit of its own.",
    )
    keep_result: Duration = Field(
        default=timedelta(seconds=3600),
        validation_alias=_either("KEEP_RESULT", "ARQ_KEEP_RESULT"),
        description="How long the progress stream of a settled run stays in Redis.",
    )
    retry_delay: Duration = Field(
        default=timedelta(seconds=30),
        validation_alias=_either("RETRY_DELAY", "ARQ_RETRY_DELAY"),
        description="First upper bound of the random delay before an automatic retry.",
    )
    retry_delay_limit: Duration = Field(
        default=timedelta(minutes=10), description="Highest upper bound of that delay."
    )
    retry_after_limit: Duration = Field(
        default=timedelta(hours=1),
        description="Longest delay another system may ask for (`Retry-After`).",
    )
    lease: Duration = Field(
        default=timedelta(seconds=20),
        description="How long a worker holds a run without saying so again; then it is rescued.",
    )
    lease_renewal: Duration = Field(
        default=timedelta(seconds=5), description="How often a worker renews its leases."
    )
    lease_patience: Duration = Field(
        default=timedelta(seconds=15),
        description="A worker that cannot renew for so long stops its runs and gives them back.",
    )
    heartbeat_interval: Duration = Field(
        default=timedelta(seconds=10), description="How often a worker process says it lives."
    )
    heartbeat_expiry: Duration = Field(
        default=timedelta(seconds=30),
        description="Silence after which a worker is no longer listed as alive.",
    )
    reconcile_interval: Duration = Field(
        default=timedelta(seconds=2),
        description="Pause between two looks for runs that are lost, undelivered or parked.",
    )
    cancel_interval: Duration = Field(
        default=timedelta(seconds=1),
        description="How often a worker asks whether one of its runs is to be cancelled.",
    )
    park_after: Duration = Field(
        default=timedelta(seconds=60),
        description="A run that no live worker could take for so long is parked.",
    )
    shutdown_grace: Duration = Field(
        default=timedelta(seconds=5),
        description="How long a worker that was told to stop lets its runs go on.",
    )

    blocked_plugins: Names = Field(default=(), description="Plugins that are never imported.")
    allowed_plugins: Names = Field(
        default=(), description="If given, only these plugins are imported."
    )
    required_plugins: Names = Field(
        default=("processing", "adf_validation", "export", "cleanup"),
        description="Installed plugins whose failure stops the host.",
    )
    strict_plugins: bool = Field(default=False, description="Stop at the failure of any plugin.")
    safe_mode: bool = Field(
        default=False, description="Import the required plugins only, as `--safe` does."
    )
    plugin_start_timeout: Duration = Field(
        default=timedelta(seconds=10),
        gt=timedelta(0),
        le=timedelta(seconds=50),
        description="Longest a plugin may take to start in a process, 50 s at most; to stop, 4 s.",
    )

    api_host: str = Field(default="127.0.0.1", description="Address the API binds to.")
    api_port: int = Field(default=8000, ge=0, le=65535, description="Port the API binds to.")
    allowed_origins: Names = Field(
        default=(), description="Web origins, besides the API's own, that may open streams."
    )
    token_lifetime: Duration = Field(
        default=timedelta(days=90), description="Lifetime of a new API token."
    )
    stream_pass_lifetime: Duration = Field(
        default=timedelta(seconds=60), description="How long a stream pass opens its channel."
    )

    upload_max_files: int = Field(
        default=25, ge=1, description="Sheets in one session; each sheet of a workbook is one."
    )
    upload_max_file_bytes: int = Field(
        default=2 * 1024 * 1024,
        ge=1,
        description="Bytes of one CSV file, or of one sheet of a workbook as CSV.",
    )
    upload_max_session_bytes: int = Field(
        default=50 * 1024 * 1024,
        ge=1,
        description="Bytes of all sheets of a session, and of an uploaded workbook.",
    )
    upload_max_session_rows: int = Field(
        default=100_000, ge=1, description="Rows of all sheets of a session."
    )

    database_pool_size: int = Field(
        default=10, ge=2, description="Connections per process; a worker has four more."
    )
    database_timeout: Duration = Field(
        default=timedelta(seconds=10),
        description="Longest wait for a connection, and for one statement of a request.",
    )
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR.")
    log_format: str = Field(
        default="auto",
        pattern="^(auto|console|json)$",
        description="console, json, or auto: console on a terminal, else json.",
    )

    @model_validator(mode="after")
    def _intervals_fit(self) -> Self:
        """A worker must be able to miss a beat, and must stop a run before it is taken away."""
        if self.heartbeat_expiry < 2 * self.heartbeat_interval:
            raise ValueError("heartbeat_expiry must be at least twice heartbeat_interval")
        if not 2 * self.lease_renewal <= self.lease_patience < self.lease:
            raise ValueError(
                "lease_patience must be at least twice lease_renewal, and shorter than lease"
            )
        return self


def load_settings(**overrides: Any) -> Settings:
    """Read the environment; what is wrong in it is said by variable name.

    Raises:
        ConfigurationError: a variable holds something its setting does not accept.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        problems = [
            f"{_variable(item['loc'])}: {item['msg']}"
            for item in error.errors(include_url=False, include_input=False)
        ]
        raise ConfigurationError(
            "Settings are invalid: " + "; ".join(problems),
            recovery_actions=["Correct the environment variables named above."],
        ) from None


def _variable(location: tuple[int | str, ...]) -> str:
    """The environment variable a problem is about; both where the plain name would do too."""
    name = str(location[0]).removeprefix("TICKETGEN_").lower()
    field = Settings.model_fields.get(name)
    alias = field.validation_alias if field else None
    if isinstance(alias, AliasChoices):
        return " or ".join(str(choice) for choice in alias.choices)
    return f"TICKETGEN_{name.upper()}"
