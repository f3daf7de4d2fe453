from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from typer.main import get_group
from typer.testing import CliRunner, Result

from tests.core.plugin_sources import plugin_source
from ticketgen.cli.main import app
from ticketgen.conformance import RESERVED_NAMES
from ticketgen.testing import InstalledPlugin

Install = Callable[..., InstalledPlugin]

WITH_COMMANDS = plugin_source(
    "acme_bells",
    provides="(Commands(app=app),)",
    before="""
    import typer
    from ticketgen.commands import contributions, out
    from ticketgen.errors import InvalidInputError
    from ticketgen.provides import Commands, Writer

    app = typer.Typer()

    @app.command()
    def ring(times: int = 1):
        "Ring the bells."
        if times > 3:
            raise InvalidInputError("The neighbours sleep.")
        out.print("ding " * times + str(len(contributions().provided(Writer))))
    """,
)

WITH_SHORTCUT = WITH_COMMANDS.replace(
    "(Commands(app=app),)", "(Commands(app=app), Shortcut(name='big-ben', command='ring'))"
).replace("import Commands, Writer", "import Commands, Shortcut, Writer")


@pytest.fixture(autouse=True)
def _clean(clean_environment: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests; wide enough for a line."""
    clean_environment.setenv("COLUMNS", "200")


def _done(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def _refused(*arguments: str, code: int = 1) -> str:
    result = _done(*arguments)
    assert result.exit_code == code, result.output
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", result.stderr).split())


def test_a_plugins_command_is_a_word_after_the_plugins_name(install_plugin: Install) -> None:
    install_plugin("acme_bells", WITH_COMMANDS)

    result = _done("acme_bells", "ring", "--times", "2")

    assert result.exit_code == 0, result.output
    assert result.stdout.split() == ["ding", "ding", "3"]


def test_an_underscore_of_the_name_may_be_typed_as_a_hyphen(install_plugin: Install) -> None:
    install_plugin("acme_bells", WITH_COMMANDS)

    assert _done("acme-bells", "ring").stdout.split() == ["ding", "3"]


def test_a_plugins_name_alone_shows_its_commands(install_plugin: Install) -> None:
    install_plugin("acme_bells", WITH_COMMANDS)

    shown = _done("acme_bells").output

    assert "Usage: ticketgen acme_bells" in shown
    assert "Labels tickets." in shown, "the plugin's summary, where its app has no help"
    assert "Ring the bells." in shown


def test_only_the_plugin_that_is_called_is_loaded(install_plugin: Install) -> None:
    install_plugin("acme_bells", plugin_source("acme_bells"))
    install_plugin("acme_slow", "raise RuntimeError('nobody asked for it')")

    assert "has no commands" in _refused("acme_bells")


@pytest.mark.parametrize(
    "arguments", [["--version"], ["runs", "--help"], ["demo", "--help"], ["--nothing"]]
)
def test_the_hosts_own_commands_load_no_plugin(
    arguments: list[str], install_plugin: Install, clean_environment: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a plugin was loaded")

    install_plugin("acme_bells", WITH_COMMANDS)
    clean_environment.setattr("ticketgen.cli.plugin_commands.survey_registry", refuse)

    result = _done(*arguments)

    assert result.exit_code in {0, 2}, result.exception


def test_help_lists_the_plugins_apart_without_loading_one(install_plugin: Install) -> None:
    install_plugin("acme_bells", "raise SystemExit('at import')")
    install_plugin("acme_twice", "", distribution="first-twice")
    install_plugin("acme_twice", "", distribution="second-twice")
    install_plugin("[/red]", "")

    result = _done("--help")

    assert result.exit_code == 0, result.output
    own, _, plugins = result.stdout.partition("Commands of plugins")
    assert "schedules" in own
    assert "acme_bells" in plugins
    assert re.search(r"acme_twice +Out of use: the name 'acme_twice' is claimed by", plugins)
    assert plugins.count("acme_twice ") == 1
    assert "[/red]" not in plugins


def test_a_broken_plugin_says_what_is_wrong_and_what_to_do(install_plugin: Install) -> None:
    install_plugin("acme_bells", "raise ImportError('no bell here')")

    said = _refused("acme_bells", "ring")

    assert "out of use: ImportError: no bell here" in said
    assert "→ Reinstall ticketgen-acme_bells" in said
    assert "`ticketgen plugins doctor`" in said


def test_a_name_of_two_distributions_is_nobodys(install_plugin: Install) -> None:
    install_plugin("acme_bells", WITH_COMMANDS, distribution="first-bells")
    install_plugin("acme_bells", WITH_COMMANDS, distribution="second-bells")

    assert "claimed by first-bells and second-bells" in _refused("acme_bells", "ring")


def test_a_stranger_who_claims_a_required_name_takes_its_commands_from_nobody(
    install_plugin: Install,
) -> None:
    install_plugin("export", plugin_source("export"), distribution="a-squatter")

    shown = _done("export", "--help")

    assert shown.exit_code == 0, shown.output
    assert "Usage: ticketgen export" in shown.output


@pytest.mark.parametrize(
    ("setting", "value"),
    [("BLOCKED_PLUGINS", "acme_bells"), ("ALLOWED_PLUGINS", "export"), ("SAFE_MODE", "1")],
)
def test_a_plugin_that_is_shut_out_has_no_commands_either(
    setting: str, value: str, install_plugin: Install, clean_environment: pytest.MonkeyPatch
) -> None:
    install_plugin("acme_bells", WITH_COMMANDS)
    clean_environment.setenv(f"TICKETGEN_{setting}", value)

    assert f"not in use: {'in safe mode' if value == '1' else f'TICKETGEN_{setting}'}" in _refused(
        "acme_bells", "ring"
    )
    assert "acme_bells" not in _done("--help").stdout


def test_commands_that_cannot_be_built_are_the_authors_to_mend(install_plugin: Install) -> None:
    source = WITH_COMMANDS.replace("times: int = 1", "times: int | str = 1")
    install_plugin("acme_bells", source)

    said = _refused("acme_bells", "ring")

    assert "The commands of the plugin 'acme_bells' cannot be built: " in said


def test_an_unknown_command_is_compared_with_the_names_of_plugins_too() -> None:
    assert "No such command 'exprt'. Did you mean 'export'?" in _refused("exprt", code=2)
    assert "No such command 'rnus'. Did you mean 'runs'?" in _refused("rnus", code=2)
    assert "No such command 'violin'." in _refused("violin", code=2)


def test_a_shortcut_is_the_plugins_command_beside_those_of_the_host(
    install_plugin: Install,
) -> None:
    install_plugin("acme_bells", WITH_SHORTCUT)

    result = _done("big-ben", "--times", "2")

    assert result.exit_code == 0, result.output
    assert result.stdout.split() == ["ding", "ding", "3"]
    assert "Usage: ticketgen big-ben" in _done("big-ben", "--help").output


def test_a_plugin_with_the_name_of_a_shortcut_comes_first(install_plugin: Install) -> None:
    install_plugin("acme_bells", WITH_SHORTCUT)
    install_plugin("big_ben", WITH_COMMANDS.replace("acme_bells", "big_ben"))

    shown = _done("big-ben", "--help").output

    assert "Usage: ticketgen big-ben [OPTIONS] COMMAND" in shown


def test_a_shortcut_of_two_plugins_is_nobodys(install_plugin: Install) -> None:
    install_plugin("acme_bells", WITH_SHORTCUT)
    install_plugin("acme_gongs", WITH_SHORTCUT.replace("acme_bells", "acme_gongs"))

    assert "No such command 'big-ben'." in _refused("big-ben", code=2)


def test_a_shortcut_of_a_broken_plugin_is_no_command(install_plugin: Install) -> None:
    install_plugin("acme_bells", WITH_SHORTCUT.replace("times: int = 1", "times: int | str = 1"))
    install_plugin("acme_gongs", "raise ImportError('no gong here')")

    assert "cannot be built" in _refused("big-ben")
    assert "No such command 'gong'." in _refused("gong", code=2)


def test_no_plugin_may_be_called_like_a_command_of_the_host() -> None:
    group = get_group(app)
    own = {name.replace("-", "_") for name in group.commands}

    taken = own - {name.replace("-", "_") for name in RESERVED_NAMES}

    assert len(own) > 10
    assert taken == set()


def test_a_completing_shell_is_told_nothing_of_a_broken_plugin(
    install_plugin: Install, clean_environment: pytest.MonkeyPatch
) -> None:
    install_plugin("acme_bells", "raise ImportError('no bell here')")
    clean_environment.setenv("_TICKETGEN_COMPLETE", "complete_bash")
    clean_environment.setenv("COMP_WORDS", "ticketgen acme_bells r")
    clean_environment.setenv("COMP_CWORD", "2")

    result = CliRunner().invoke(app, [], prog_name="ticketgen")

    assert "no bell" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
