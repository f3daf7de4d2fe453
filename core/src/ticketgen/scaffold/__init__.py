"""Writes a new plugin: a whole distribution that passes its own tests as it is.

What is written stands in `templates`: files with placeholders, in their names too. `every` is
part of each plugin; `full` shows all a plugin can have, `minimal` one task.
"""

from __future__ import annotations

from ticketgen.scaffold.naming import PluginNames, plugin_names
from ticketgen.scaffold.rendering import scaffold
from ticketgen.scaffold.writing import write_files

__all__ = ["PluginNames", "plugin_names", "scaffold", "write_files"]
