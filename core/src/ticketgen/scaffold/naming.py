"""What a new plugin is called everywhere, from the one name that somebody typed."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from ticketgen.conformance import check_identity
from ticketgen.errors import InvalidInputError

__all__ = ["PluginNames", "plugin_names"]


@dataclass(frozen=True, kw_only=True)
class PluginNames:
    """One name, in the spelling of every place where it stands."""

    name: str
    """Of the plugin, its entry point and its task type: `acme_labels`."""

    @property
    def distribution(self) -> str:
        """What pip installs: `ticketgen-acme-labels`."""
        return f"ticketgen-{self.name.replace('_', '-')}"

    @property
    def package(self) -> str:
        """What Python imports: `ticketgen_acme_labels`."""
        return f"ticketgen_{self.name}"

    @property
    def prefix(self) -> str:
        """What its classes begin with: `AcmeLabels`."""
        return "".join(word.capitalize() for word in self.name.split("_"))

    @property
    def variables(self) -> str:
        """What its environment variables begin with: `TICKETGEN_ACME_LABELS_`."""
        return f"TICKETGEN_{self.name.upper()}_"


def plugin_names(typed: str, *, taken: Collection[str] = ()) -> PluginNames:
    """The names of a plugin, called `acme-labels`, `ticketgen_acme_labels` or `AcmeLabels`.

    `taken` are the plugins that are there already: of two with one name the host takes neither.

    Raises:
        InvalidInputError: no plugin may be called that.
    """
    name = _normalised(typed)
    problems = [(problem.message, problem.remedy) for problem in check_identity(name)]
    if name in taken:
        problems.append((f"{name!r} is installed already", "Choose another name, or uninstall it."))
    for message, remedy in problems:
        raise InvalidInputError(
            f"No plugin can be called {typed!r}: {message}.", recovery_actions=[remedy]
        )
    return PluginNames(name=name)


def _normalised(typed: str) -> str:
    """Lower-case words joined by underscores; other characters stay, to be refused."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", typed.strip()).lower()
    joined = re.sub(r"[-_.\s]+", "_", words).strip("_")
    return joined.removeprefix("ticketgen_")
