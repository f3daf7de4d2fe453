from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from importlib.metadata import entry_points

import pytest
from typer.testing import CliRunner

from tests.core.testing_kit.acme import Elsewhere, acme_plugin
from ticketgen import Plugin
from ticketgen.cli.main import app
from ticketgen.errors import NotFoundError
from ticketgen.testing import (
    ConformanceWarning,
    InstalledPlugin,
    Weight,
    check_distribution,
    check_import_time,
    check_plugin,
)

Install = Callable[..., InstalledPlugin]

GOOD = '''
    """Does nothing, well."""

    from __future__ import annotations

    from pydantic import BaseModel

    from ticketgen import (
        Caller, Exclusivity, NoRequest, Plugin, StartContext, Subject, Task, TaskContext, hookimpl,
    )
    from ticketgen.domain import sessions


    class Kept(BaseModel):
        """What is stored."""

        schema_version: int = 1


    async def prepare(start: StartContext, request: NoRequest) -> Kept:
        return Kept()


    async def handle(ctx: TaskContext, payload: Kept) -> dict[str, int]:
        return {}


    TASK = Task(
        name="tidy", summary="Tidies.", request=NoRequest, payload=Kept, prepare=prepare,
        handler=handle, job_name="tidy_job", subject=Subject.NONE, startable_by=Caller.ADMIN,
        exclusivity=Exclusivity.TYPE,
    )


    @hookimpl
    def ticketgen_plugin() -> Plugin:
        return Plugin(name="tidy", summary="Does nothing, well.", tasks=(TASK,))
'''

POOR = '''
    """Does everything an author can do wrong and the host would still take."""

    from __future__ import annotations

    import ticketgen.runner
    import ticketgen_export.schemas
    from fastapi import APIRouter
    from pydantic import BaseModel, Field, SecretStr
    from pydantic_settings import BaseSettings

    from ticketgen import (
        Caller, Exclusivity, Plugin, Schedule, Subject, Task, TaskContext, blocking, hookimpl,
        in_thread,
    )
    from ticketgen.domain import transitions
    from ticketgen.errors import UserFixableError
    from ticketgen.registry import load_registry
    from ticketgen.testing import drain


    class Ask(BaseModel):
        secret: SecretStr = SecretStr("x")
        renamed: int = Field(default=1, alias="name")
        hidden: int = Field(default=1, exclude=True)


    class Lossy(BaseModel):
        ways: set[int] | list[int] = {1}


    class Other(BaseModel):
        schema_version: int = 1


    async def prepare(start, request):
        return Lossy()


    def handle(ctx, payload: Other) -> dict[str, int]:
        return {}


    class PoorSettings(BaseSettings):
        unsaid: int = 1


    class UnsaidError(UserFixableError):
        code = "poor.unsaid"


    router = APIRouter()


    @router.get("/unsaid")
    async def unsaid():
        return {}


    TASK = Task(
        name="poor", summary=" ", request=Ask, payload=Lossy, prepare=prepare,
        handler=in_thread(handle), job_name="poor_job", subject=Subject.NONE,
        startable_by=Caller.ADMIN, exclusivity=Exclusivity.TYPE,
    )


    @hookimpl
    def ticketgen_plugin() -> Plugin:
        return Plugin(
            name="poor", summary="Poor.", tasks=(TASK,), router=router, settings=PoorSettings,
            errors=(UnsaidError,), schedules=(Schedule(name="now", task="poor", cron="0 1 * * *"),),
        )
'''

ERRORS = (
    ("ticketgen_poor.py:6", "it imports ticketgen.runner, which may change without notice"),
    ("ticketgen_poor.py:7", "it imports ticketgen_export.schemas, the package of another plugin"),
    ("ticketgen_poor.py:12", "ticketgen offers no blocking to plugins"),
    ("ticketgen_poor.py:16", "it imports ticketgen.domain.transitions, which may change"),
    ("ticketgen_poor.py:18", "it imports ticketgen.registry, which may change without notice"),
    ("task 'poor'", "it has no summary"),
    ("task 'poor'", "its payload Lossy has no schema_version"),
    ("task 'poor'", "request field Ask.secret: a secret is stored as asterisks"),
    ("task 'poor'", "request field Ask.renamed: it is stored as 'renamed' and read as 'name'"),
    ("task 'poor'", "request field Ask.hidden: it is left out when the model is stored"),
    ("task 'poor'", "payload Lossy comes back as"),
    ("task 'poor'", "handler handle takes Other, and will get Lossy"),
)
ADVICE = (
    ("pyproject.toml", "has no upper bound (ticketgen-core>=0.1)"),
    ("ticketgen_poor.py:19", "it imports ticketgen.testing, which needs what only tests install"),
    ("schedule 'now'", "it has no summary"),
    ("task 'poor'", "prepare prepare does not say which model it takes"),
    ("settings field 'unsaid'", "it has no description"),
    ("error UnsaidError", "it has no docstring"),
    ("route GET /unsaid", "it has no docstring"),
    ("route GET /unsaid", "nothing says what it answers"),
)


def test_a_good_plugin_conforms(
    install_plugin: Install, conforms: Callable[[str | Plugin], None]
) -> None:
    installed = install_plugin("tidy", GOOD)

    conforms("tidy")
    conforms(installed.distribution)

    assert check_plugin("tidy") == []
    assert check_distribution(installed.distribution) == []


def test_a_value_is_checked_by_itself() -> None:
    assert check_plugin(acme_plugin(Elsewhere())) == []
    [refused] = check_plugin(Plugin(name="acme", summary="", requires=">=99"))
    assert refused.message.startswith("the host refuses it (contract)")


def test_everything_an_author_can_mend_is_found_with_its_place(install_plugin: Install) -> None:
    install_plugin("poor", POOR, requires=("ticketgen-core>=0.1",))

    flaws = check_plugin("poor")

    for weight, expected in ((Weight.ERROR, ERRORS), (Weight.ADVICE, ADVICE)):
        found = [flaw for flaw in flaws if flaw.weight is weight]
        for where, message in expected:
            assert [f for f in found if f.where == where and message in f.message], (where, message)
        assert len(found) == len(expected), [str(flaw) for flaw in found]
    assert [flaw.weight for flaw in flaws] == sorted(flaw.weight for flaw in flaws)[::-1]


def test_the_one_line_fails_for_errors_and_warns_of_advice(
    install_plugin: Install, conforms: Callable[[str | Plugin], None]
) -> None:
    install_plugin("poor", POOR)
    install_plugin("tidy", GOOD, distribution="acme-tidy")

    with pytest.raises(AssertionError, match=r"poor\.py:6: it imports ticketgen\.runner") as failed:
        conforms("poor")
    with pytest.warns(ConformanceWarning, match="is called 'acme") as warned:
        conforms("tidy")

    assert "advice: route GET /unsaid" in str(failed.value)
    assert len(warned) == 2


@pytest.mark.parametrize(
    ("options", "weight", "message"),
    [
        ({"requires": ()}, Weight.ERROR, "does not depend on ticketgen-core"),
        ({"attribute": "ticketgen_plugin"}, Weight.ERROR, "something inside a module"),
        ({"distribution": "acme-tidy"}, Weight.ADVICE, "the distribution of the plugin 'tidy'"),
    ],
)
def test_the_metadata_is_looked_at(
    install_plugin: Install, options: dict[str, object], weight: Weight, message: str
) -> None:
    install_plugin("tidy", GOOD, **options)

    flaws = check_plugin("tidy")

    assert [f.weight for f in flaws if message in f.message] == [weight]


def test_a_plugin_that_cannot_be_imported_is_reported_with_the_hosts_reason(
    install_plugin: Install,
) -> None:
    install_plugin("tidy", "import no_such_module")

    [flaw] = check_plugin("tidy")

    assert flaw.message.startswith("the host refuses it (import): ModuleNotFoundError")


def test_what_is_not_installed_is_said(conforms: Callable[[str | Plugin], None]) -> None:
    with pytest.raises(NotFoundError, match="No plugin and no distribution 'nobody'"):
        conforms("nobody")


def test_a_distribution_without_a_plugin_is_told_how_to_have_one() -> None:
    [flaw] = check_distribution("pytest")

    assert "no entry point in the group 'ticketgen.plugins'" in flaw.message


def test_a_slow_import_is_advised_against() -> None:
    [entry] = [item for item in entry_points(group="ticketgen.plugins") if item.name == "export"]

    [flaw] = check_import_time(entry, longest=timedelta(0))

    assert flaw.weight is Weight.ADVICE
    assert flaw.where == "import of ticketgen_export.plugin"


def test_the_command_prints_what_is_to_be_mended_and_ends_with_1(
    install_plugin: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketgen.cli.plugins_check.check_import_time", lambda entry: [])
    install_plugin("poor", POOR)
    install_plugin("tidy", GOOD)
    runner = CliRunner()

    poor = runner.invoke(app, ["plugins", "check", "poor"])
    as_json = runner.invoke(app, ["plugins", "check", "ticketgen-poor", "--json"])
    tidy = runner.invoke(app, ["plugins", "check", "tidy"])

    assert (poor.exit_code, as_json.exit_code, tidy.exit_code) == (1, 1, 0)
    assert "→ Add `schema_version: int = 1`" in poor.output
    assert f"{len(ERRORS)} errors" in poor.output
    assert {item["weight"] for item in json.loads(as_json.output)} == {"error", "advice"}
    assert "ticketgen-tidy: conforms" in tidy.output
