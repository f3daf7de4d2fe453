"""A component to write about, and writers pointed at a stub, for the tests of model writers."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

from pydantic import SecretStr

from tests.plugins.processing.model_stub import ModelStub
from tests.plugins.processing.sheets import SITE, build, component
from ticketgen.provides.writer import Brief, OpenWriter, Writer
from ticketgen_processing.models.writers import MODEL_WRITERS
from ticketgen_processing.settings import ProcessingSettings

KEY = "sk-secret-key"
WRITERS = {writer.name: writer for writer in MODEL_WRITERS}
BUNDLES = (
    "Name,Machine name,Type,Description,Mod.,URL alias pattern\n"
    "Article,article,Content type,{description},y,news/[node:title]\n"
    "Topic,topic,Vocabulary,,,-\n"
)
FIELDS = (
    "Bundle,Field label,Machine name,Field type,Ref. bundle,Req'd,Vals.,Help text\n"
    "Article (Content type),Intro,field_intro,Text (plain),,y,1,{help}\n"
    'Article (Content type),Hero image,field_hero_image,Image,,n,1,"1,920 x 1080 px"\n'
    "Article (Content type),Topics,field_topics,Reference,Topic (Vocabulary),n,*,\n"
)


def brief(*, description: str = "News of the day", help: str = "At most 255 characters") -> Brief:
    """A content type with three fields; the two texts are what a person has typed into cells."""
    built = build(
        bundles=BUNDLES.format(description=_cell(description)),
        fields=FIELDS.format(help=_cell(help)),
    )
    topic = component(built, "bundles:vocabulary:topic")
    article = component(built, "bundles:content-type:article")
    return Brief(component=article, site=SITE, related=(topic,))


def settings(stub: ModelStub | None = None, **more: Any) -> ProcessingSettings:
    """Both writers at the stub, with a key, and waits that nobody notices."""
    port = stub.port if stub is not None else 9
    given: dict[str, Any] = {
        "openai_api_key": SecretStr(KEY),
        "openai_base_url": f"http://127.0.0.1:{port}/v1",
        "anthropic_api_key": SecretStr(KEY),
        "anthropic_base_url": f"http://127.0.0.1:{port}",
        "model_first_wait": timedelta(milliseconds=1),
        "model_timeout": timedelta(seconds=20),
    }
    return ProcessingSettings(**{**given, **more})


def opening(
    stub: ModelStub, name: str = "openai", **more: Any
) -> AbstractAsyncContextManager[OpenWriter]:
    """A writer at work on the stub."""
    return WRITERS[name].open(settings(stub, **more))


def writer(name: str) -> Writer:
    """One of the two."""
    return WRITERS[name]


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
