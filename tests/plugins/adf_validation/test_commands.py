from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ticketgen.cli.main import app
from ticketgen.errors import InvalidInputError
from ticketgen.testing import InstalledPlugin
from ticketgen_adf_validation.errors import NoDocumentError

TONE = """
from ticketgen import Finding, Plugin, Severity, hookimpl
from ticketgen.provides import AdfCheck


def listen(document):
    return [
        Finding(severity=Severity.WARNING, rule="tone.loud", message="It shouts.", remedy="Hush.")
    ]


@hookimpl
def ticketgen_plugin():
    check = AdfCheck(name="tone", summary="Listens.", check=listen)
    return Plugin(name="tone", summary="Listens.", provides=(check,))
"""


@pytest.fixture(autouse=True)
def _clean(clean_environment: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests."""


def _called(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, ["adf_validation", *arguments], input=text)


def _checked(*arguments: str, text: str | None = None) -> Result:
    return _called("check", *arguments, text=text)


def test_a_sound_description_has_no_findings(tmp_path: Path) -> None:
    file = tmp_path / "article.md"
    file.write_text("# Article\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", encoding="utf-8")

    result = _checked(str(file))

    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == "0 errors, 0 warnings."


def test_an_error_is_said_with_its_place_and_remedy_and_ends_with_one(tmp_path: Path) -> None:
    file = tmp_path / "article.json"
    file.write_text('{"type": "doc", "version": 1, "content": [{"type": "gadget"}]}')

    result = _checked(str(file))

    assert result.exit_code == 1
    assert "error  adf_validation.unknown_node at /content/0/type" in result.stdout
    assert "  → Write this part" in result.stdout


def test_standard_input_is_json_if_it_begins_like_an_object() -> None:
    described = json.loads(_checked("-", "--json", text="Some words.").stdout)
    document = json.loads(_checked("-", "--json", text='{"type": "doc", "version": 1}').stdout)

    assert described == {"passed": True, "findings": []}
    assert document["passed"] is False
    assert [finding["rule"] for finding in document["findings"]] == ["adf_validation.content"]


def test_the_check_of_another_plugin_is_asked_too(
    install_plugin: Callable[..., InstalledPlugin],
) -> None:
    install_plugin("tone", TONE)

    result = _checked("-", text="Some words.")

    assert result.exit_code == 0, "a warning is no error"
    assert "warning  tone.loud: It shouts." in result.stdout
    assert "0 errors, 1 warnings." in result.stdout


@pytest.mark.parametrize(
    ("name", "content"), [("gone.md", None), ("half.json", b"{"), ("latin.md", b"\xe9t\xe9")]
)
def test_a_file_that_cannot_be_read_is_refused_by_its_name(
    tmp_path: Path, name: str, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)

    result = _checked(str(tmp_path / name))

    assert isinstance(result.exception, InvalidInputError)
    assert name in result.exception.message
    assert result.exception.recovery_actions


def test_a_description_is_printed_as_its_document_and_the_document_as_the_description() -> None:
    printed = _called("adf", "-", text="# Grüße\n\n- one\n- two\n")
    back = _called("markdown", "-", text=printed.stdout)

    assert json.loads(printed.stdout)["content"][0]["content"][0]["text"] == "Grüße"
    assert back.stdout == "# Grüße\n\n- one\n- two\n"


@pytest.mark.parametrize("text", ["[]", "7", '{"type": "paragraph"}'])
def test_what_is_no_document_is_not_printed_as_markdown(text: str) -> None:
    result = _called("markdown", "-", text=text)

    assert isinstance(result.exception, NoDocumentError)
    assert result.exception.findings
