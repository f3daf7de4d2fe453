"""The settings of the environment, completed by the servers of a running `ticketgen up`."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from ticketgen.errors import ConfigurationError
from ticketgen.key_file import read_key
from ticketgen.settings import Settings, load_settings

__all__ = ["attached_settings", "with_key"]


def attached_settings(**overrides: Any) -> Settings:
    """Settings with a database and a Redis: those of the environment, else those of `up`.

    Raises:
        ConfigurationError: a setting is wrong, or neither says where the servers are.
    """
    settings = load_settings(**overrides)
    missing = [name for name in ("database_url", "redis_url") if not getattr(settings, name)]
    if not missing:
        return settings
    from ticketgen.embedded import attach  # whoever is told where its servers are needs none

    endpoint = attach(settings.data_dir)
    if endpoint is None:
        names = " and ".join(f"TICKETGEN_{name.upper()}" for name in missing)
        raise ConfigurationError(
            f"No servers: {names} unset, and no `ticketgen up` is running in {settings.data_dir}.",
            recovery_actions=[f"Start `ticketgen up` in another terminal, or set {names}."],
        )
    completed: dict[str, Any] = {name: getattr(endpoint, name) for name in missing}
    key = read_key(settings.data_dir)
    if key is not None:
        completed["secret_keys"] = with_key(settings, key)
    return settings.model_copy(update=completed)


def with_key(settings: Settings, key: str) -> tuple[SecretStr, ...]:
    """The keys of the settings, and behind them that of the data directory."""
    kept = SecretStr(key)
    return settings.secret_keys if kept in settings.secret_keys else (*settings.secret_keys, kept)
