"""Keeps what is known of a project for a while, so that not every look at a session asks Jira."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from ticketgen_export.errors import JiraPermissionError, JiraRefusedError
from ticketgen_export.jira.client import REST, JiraClient
from ticketgen_export.jira.facts import ProjectFacts, read_facts
from ticketgen_export.jira.options import JiraOptions
from ticketgen_export.stored import StoredFacts

__all__ = ["KnownProject", "known_project"]

UnitOfWork = Callable[[], AbstractAsyncContextManager[Any]]


@dataclass(kw_only=True)
class KnownProject:
    """The facts of a project, and the people that were looked up in it."""

    facts: ProjectFacts
    people: dict[str, str | None]
    session_id: UUID
    digest: str
    unit_of_work: UnitOfWork
    read_at: datetime

    async def account_of(self, client: JiraClient, name: str | None) -> str | None:
        """The account of an assignee by e-mail address, name or account id; None if not one."""
        if not name:
            return None
        if name not in self.people:
            self.people[name] = await _find_person(client, self.facts.project_key, name)
            async with self.unit_of_work() as work:
                await _keep_people(work.db, self)
        return self.people[name]


async def known_project(
    client: JiraClient,
    unit_of_work: UnitOfWork,
    *,
    session_id: UUID,
    connection_id: UUID,
    project_key: str,
    options: JiraOptions,
    believed: timedelta,
    choosing: bool = False,
) -> KnownProject:
    """What is known, read anew where it is older than `believed`.

    Raises:
        TicketgenError: as `read_facts`.
    """
    asked = options.model_dump_json(include={"issue_type", "link_type", "links", "priority"})
    told = f"{connection_id} {project_key} {asked} {'choosing' if choosing else ''}"
    digest = hashlib.sha256(told.encode()).hexdigest()
    async with unit_of_work() as work:
        stored = await work.db.scalar(
            select(StoredFacts).where(
                StoredFacts.session_id == session_id,
                StoredFacts.digest == digest,
                StoredFacts.read_at > func.clock_timestamp() - believed,
            )
        )
    if stored is not None:
        facts = ProjectFacts.model_validate(stored.facts)
        people, read_at = dict(stored.people), stored.read_at
    else:
        facts, people = await read_facts(client, project_key, options, choosing=choosing), {}
        async with unit_of_work() as work:
            read_at = await _keep_facts(work.db, session_id, digest, facts)
    return KnownProject(
        facts=facts,
        people=people,
        session_id=session_id,
        digest=digest,
        unit_of_work=unit_of_work,
        read_at=read_at,
    )


async def _keep_facts(db: Any, session_id: UUID, digest: str, facts: ProjectFacts) -> datetime:
    """Put them in the place of what was known; when they were read."""
    await db.execute(delete(StoredFacts).where(StoredFacts.session_id == session_id))
    new = insert(StoredFacts).values(
        session_id=session_id, digest=digest, facts=facts.model_dump(mode="json"), people={}
    )
    renewed = new.on_conflict_do_update(
        index_elements=["session_id", "digest"],
        set_={"facts": new.excluded.facts, "people": {}, "read_at": func.clock_timestamp()},
    )
    read_at: datetime = await db.scalar(renewed.returning(StoredFacts.read_at))
    return read_at


async def _keep_people(db: Any, known: KnownProject) -> None:
    stored = await db.get(StoredFacts, (known.session_id, known.digest), with_for_update=True)
    if stored is not None:
        stored.people = {**stored.people, **known.people}


async def _find_person(client: JiraClient, project_key: str, name: str) -> str | None:
    """The one account that is called so; of several none: nothing is guessed."""
    try:
        found = await client.listed(
            f"{REST}/user/assignable/search",
            "see who can be assigned",
            project=project_key,
            query=name,
            maxResults=50,
        )
    except (JiraPermissionError, JiraRefusedError):
        return None  # the account may not look people up: the assignee is left to a person
    wanted = name.strip().casefold()
    same = {
        str(person["accountId"])
        for person in found or ()
        if person.get("active", True)
        and wanted
        in {
            str(person.get(field) or "").casefold()
            for field in ("emailAddress", "displayName", "accountId")
        }
    }
    if not same and len(found or ()) == 1 and "@" in name:
        # Jira finds people by an address that their privacy settings keep from being shown.
        same = {str(found[0]["accountId"])}
    return same.pop() if len(same) == 1 else None
