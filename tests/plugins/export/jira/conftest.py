"""A host whose user is connected to a stand-in for Jira, at a pace for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.plugins.export.jira.place import EMAIL, PROJECT, Place
from ticketgen import effects
from ticketgen.provides import AdfCheck
from ticketgen.registry import load_registry
from ticketgen.runtime import Runtime, open_runtime
from ticketgen.settings import Settings, load_settings
from ticketgen_export.jira import outlet
from ticketgen_export.jira_stub import JiraStub, serving_stub


@pytest.fixture
async def place(
    clean_environment: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Place]:
    clean_environment.setenv("TICKETGEN_EXPORT_JIRA_PACE", "0")
    clean_environment.setenv("TICKETGEN_EXPORT_JIRA_TIMEOUT", "1")
    clean_environment.setenv("TICKETGEN_EXPORT_JIRA_INDEX_LAG", "1")
    monkeypatch.setattr(effects, "MARGIN", timedelta(seconds=0.5))
    monkeypatch.setattr(outlet, "_MARGIN", timedelta(seconds=0.3))
    monkeypatch.setattr(outlet, "_FOR_EACH", timedelta(seconds=0.2))
    stub = JiraStub(projects=[PROJECT], checks=load_registry(load_settings()).provided(AdfCheck))
    async with serving_stub(stub) as url:
        made = Place(stub=stub, url=url)
        stub.add_account(EMAIL, made.token, "Mia Moor")
        yield made


@pytest.fixture
async def runtime(place: Place, settings: Settings) -> AsyncIterator[Runtime]:
    async with open_runtime(settings) as opened:
        yield opened
