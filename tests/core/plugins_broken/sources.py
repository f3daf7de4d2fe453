"""Every way to break a plugin that a host meets when it loads: source, phase, and what is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.core.plugin_sources import plugin_source

__all__ = ["BROKEN", "METRIC", "PROVIDES", "ROUTERS", "TABLES", "Broken"]


@dataclass(frozen=True, kw_only=True)
class Broken:
    """One broken plugin, called `acme`, and how the host has to speak of it."""

    source: str
    phase: str
    said: str
    """In the message."""
    status: str = "failed"
    environment: Mapping[str, str] = field(default_factory=dict)


def _hook(body: str) -> str:
    return f"from ticketgen import Plugin, hookimpl\n@hookimpl\ndef ticketgen_plugin():\n    {body}"


def _checked(said: str, *, before: str = "", **fields: str) -> Broken:
    return Broken(source=plugin_source(before=before, **fields), phase="check", said=said)


ROUTERS = """
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Route

class OwnRoute(APIRoute):
    pass

class OwnRouter(APIRouter):
    pass

async def answer():
    return {}

def router(*paths, **options):
    made = APIRouter(**options)
    for path in paths:
        made.add_api_route(path, answer)
    return made

def holding(add, *arguments, **options):
    made = APIRouter()
    getattr(made, add)(*arguments, **options)
    return made
"""

PROVIDES = """
from ticketgen.provides import *
from ticketgen.provides import AdfCheck, Commands, HealthCheck, Metric, Writer

async def read(context):
    return 1.0

def look(document):
    return ()
"""

METRIC = "Metric(name='acme_waiting', summary='Waiting.', read=read, labels=('colour',))"

TABLES = """
from pathlib import Path
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table
from ticketgen import Migrations
from ticketgen.domain.sessions import WorkSession

HERE = Path(__file__).parent

def tables(*names, key=None, versions=HERE):
    metadata = MetaData()
    for name in names:
        Table(name, metadata, Column('id', Integer, primary_key=True), *([key()] if key else []))
    return Migrations(versions=versions, metadata=metadata)
"""

_SETTINGS = """
from pydantic_settings import BaseSettings

class AcmeSettings(BaseSettings):
    size: int
"""

_EXITS = """
from pydantic import field_validator
from pydantic_settings import BaseSettings

class AcmeSettings(BaseSettings):
    size: int = 1

    @field_validator("size", mode="before")
    @classmethod
    def give_up(cls, value):
        raise SystemExit(3)
"""

_LIFESPANS = """
from contextlib import contextmanager

async def no_manager(host):
    yield

async def a_coroutine(host):
    return None

@contextmanager
def not_async(host):
    yield

def of_nothing():
    pass
"""

_LAZY = """
def __dir__():
    raise ImportError("the extra `acme[all]` is not installed")
"""

_UNSHOWABLE = """
class Odd:
    def __repr__(self):
        raise RuntimeError("no")
"""

BROKEN: dict[str, Broken] = {
    "import error": Broken(
        source="import no_such_module", phase="import", said="No module named 'no_such_module'"
    ),
    "SystemExit at import": Broken(source="raise SystemExit(3)", phase="import", said="SystemExit"),
    "an error without words": Broken(
        source="class Odd(Exception):\n    def __str__(self):\n        return 1 / 0\nraise Odd",
        phase="import",
        said="Odd: its message cannot be shown",
    ),
    "words that no JSON holds": Broken(
        source="raise RuntimeError('\\ud800')", phase="import", said="RuntimeError: \ufffd"
    ),
    "exception in the hook": Broken(
        source=_hook("raise ValueError('no')"), phase="register", said="ValueError: no"
    ),
    "exit in the hook": Broken(source=_hook("exit(2)"), phase="register", said="SystemExit: 2"),
    "wrong type": Broken(
        source=_hook("return {}"), phase="check", said="returned dict, not a Plugin"
    ),
    "misspelt hook": Broken(
        source=plugin_source(more="@hookimpl\nasync def ticketgen_chek_ticket():\n    return []"),
        phase="hooks",
        said="ticketgen_chek_ticket",
    ),
    "hook with wrong arguments": Broken(
        source=plugin_source(more="@hookimpl\nasync def ticketgen_run_settled(job):\n    pass"),
        phase="hooks",
        said="job",
    ),
    "a module that cannot be looked at": Broken(
        source=plugin_source(more=_LAZY), phase="hooks", said="ImportError: the extra"
    ),
    "incompatible contract": Broken(
        source=plugin_source(requires="'>=2'"),
        phase="contract",
        said="it works with contract >=2; this host has 1.",
        status="incompatible",
    ),
    "other name": Broken(
        source=plugin_source("acne"), phase="check", said="it calls itself 'acne'"
    ),
    "summary of no text": _checked("summary of the plugin is NoneType, not str", summary="None"),
    "requires of no text": _checked("requires of the plugin is int, not str", requires="1"),
    "an error that cannot be shown": _checked(
        "Odd that cannot be shown> in errors", before=_UNSHOWABLE, errors="(Odd(),)"
    ),
    "duplicate task type": _checked(
        "task type 'acme' is there twice",
        tasks="(task('acme'), task('acme', job_name='other_job'))",
    ),
    "task type of another plugin": _checked(
        "task type 'export' is outside the plugin's names", tasks="(task('export'),)"
    ),
    "payload of no JSON": _checked(
        "payload of 'acme' has no JSON schema",
        before="class Odd:\n    pass\n"
        "class Bad(BaseModel, arbitrary_types_allowed=True):\n    odd: Odd",
        tasks="(task('acme', payload=Bad),)",
    ),
    "route outside the prefix": _checked(
        "does not begin with '/'", before=ROUTERS, router="router('.other/labels')"
    ),
    "route that goes up": _checked(
        "tries to leave the plugin's prefix", before=ROUTERS, router="router('/../export/x')"
    ),
    "route with the prefix twice": _checked(
        "begins with /api", before=ROUTERS, router="router('/x', prefix='/api/acme')"
    ),
    "reserved word in a public route": _checked(
        "uses the reserved word 'start'", before=ROUTERS, public_router="router('/start/{id}')"
    ),
    "one route in both routers": _checked(
        "route GET /x/{} is there twice",
        before=ROUTERS,
        router="router('/x/{one}')",
        public_router="router('/x/{other}')",
    ),
    "operation id of another": _checked(
        "operation id 'list_runs' is none of the plugin",
        before=ROUTERS,
        router="holding('add_api_route', '/x', answer, operation_id='list_runs')",
    ),
    "route class of its own": _checked(
        "is of the class OwnRoute", before=ROUTERS, router="router('/x', route_class=OwnRoute)"
    ),
    "router class of its own": _checked(
        "router is of the class OwnRouter", before=ROUTERS, router="OwnRouter()"
    ),
    "mounted app": _checked(
        "is no plain HTTP route", before=ROUTERS, router="holding('mount', '/in', FastAPI())"
    ),
    "mounted app one router further in": _checked(
        "is no plain HTTP route",
        before=ROUTERS,
        router="holding('include_router', holding('mount', '/in', FastAPI()), prefix='/x')",
    ),
    "plain Starlette route": _checked(
        "is no plain HTTP route", before=ROUTERS, router="APIRouter(routes=[Route('/x', answer)])"
    ),
    "WebSocket of its own": _checked(
        "is no plain HTTP route",
        before=ROUTERS,
        public_router="holding('add_api_websocket_route', '/x', answer)",
    ),
    "lifespan of a router further in": _checked(
        "router has a lifespan of its own",
        before=ROUTERS,
        router="holding('include_router', router('/x', lifespan=answer))",
    ),
    "no router": _checked("public_router is no fastapi.APIRouter", public_router="'public'"),
    "settings that are missing": Broken(
        source=plugin_source(before=_SETTINGS, settings="AcmeSettings"),
        phase="settings",
        said="TICKETGEN_ACME_SIZE: Field required",
    ),
    "settings that are wrong": Broken(
        source=plugin_source(before=_SETTINGS, settings="AcmeSettings"),
        phase="settings",
        said="TICKETGEN_ACME_SIZE: Input should be a valid integer",
        environment={"TICKETGEN_ACME_SIZE": "large"},
    ),
    "settings that end the process": Broken(
        source=plugin_source(before=_EXITS, settings="AcmeSettings"),
        phase="settings",
        said="SystemExit: 3",
        environment={"TICKETGEN_ACME_SIZE": "1"},
    ),
    "a class where a value belongs": _checked(
        "provides has the class Writer", before=PROVIDES, provides="(Writer,)"
    ),
    "a value of no known kind": _checked(
        "'three' in provides is of no kind", provides="('three',)"
    ),
    "one name twice": _checked(
        "Metric 'acme_waiting' is there twice", before=PROVIDES, provides=f"({METRIC}, {METRIC})"
    ),
    "commands twice": _checked(
        "Commands is there twice",
        before=PROVIDES + "\nfrom typer import Typer",
        provides="(Commands(app=Typer()), Commands(app=Typer()))",
    ),
    "a check that is not awaited": _checked(
        "check of HealthCheck 'ink' is no `async def`",
        before=PROVIDES,
        provides="(HealthCheck(name='ink', check=look),)",
    ),
    "a check that must not be awaited": _checked(
        "check of AdfCheck 'links' is `async def`",
        before=PROVIDES,
        provides="(AdfCheck(name='links', summary='Links.', check=read),)",
    ),
    "a fix that must not be awaited": _checked(
        "fix of AdfCheck 'links' is `async def`",
        before=PROVIDES,
        provides="(AdfCheck(name='links', summary='Links.', check=look, fix=read),)",
    ),
    "a metric of another": _checked(
        "Metric 'export_waiting' is outside the plugin's names",
        before=PROVIDES,
        provides=f"({METRIC.replace('acme', 'export')},)",
    ),
    "labels that are none": _checked(
        "has labels that are none: ('__name__',)",
        before=PROVIDES,
        provides=f"({METRIC.replace('colour', '__name__')},)",
    ),
    "no directory of revisions": _checked(
        "does not exist", before=TABLES, migrations="tables('acme', versions=HERE / 'absent')"
    ),
    "no revision": _checked(
        "has no revision file",
        before=TABLES + "\n(HERE / 'empty').mkdir(exist_ok=True)",
        migrations="tables('acme', versions=HERE / 'empty')",
    ),
    "table of another": _checked(
        "table 'labels' is outside the plugin's names", before=TABLES, migrations="tables('labels')"
    ),
    "table of the host": _checked(
        "table 'sessions' is the host's", before=TABLES, migrations="tables('sessions')"
    ),
    "table of its own revision": _checked(
        "is where the host keeps the plugin's revision",
        before=TABLES,
        migrations="tables('acme_schema')",
    ),
    "metadata of the host": _checked(
        "the metadata of migrations is the host's own",
        before=TABLES,
        migrations="Migrations(versions=HERE, metadata=WorkSession.metadata)",
    ),
    "a key that holds the host's rows": _checked(
        "acme.session_id refers to sessions.id without an ondelete",
        before=TABLES,
        migrations="tables('acme', key=lambda: Column('session_id', ForeignKey(WorkSession.id)))",
    ),
    "lifespan without a manager": _checked(
        "without @asynccontextmanager", before=_LIFESPANS, lifespan="no_manager"
    ),
    "lifespan that is a coroutine": _checked(
        "without @asynccontextmanager", before=_LIFESPANS, lifespan="a_coroutine"
    ),
    "lifespan that is not async": _checked(
        "lifespan is no async context manager", before=_LIFESPANS, lifespan="not_async"
    ),
    "lifespan of no argument": _checked(
        "lifespan cannot be called with one argument", before=_LIFESPANS, lifespan="of_nothing"
    ),
    "lifespan that is none": _checked("lifespan cannot be called", lifespan="'start'"),
    "job name of a built-in": Broken(
        source=plugin_source(tasks="(task('acme', job_name='export_session_job'),)"),
        phase="combine",
        said="job name 'export_session_job' is claimed by acme and export",
    ),
}
"""By what is broken."""
