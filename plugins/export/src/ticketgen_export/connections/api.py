"""The routes of connections: a user's own, and the way back from Atlassian, which is public."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import structlog
from fastapi import APIRouter, Path, Query, Response

from ticketgen.api.deps import CurrentUser, Work, problem_responses, state
from ticketgen.domain.users import User
from ticketgen.errors import TicketgenError
from ticketgen_export.connections import keeping
from ticketgen_export.connections.pages import answer_page
from ticketgen_export.connections.schemas import (
    AuthorizationBegun,
    BeginAuthorization,
    CheckConnection,
    ConnectionChecked,
    ConnectionDeleted,
    ConnectionView,
    NewConnection,
)
from ticketgen_export.state import ExportState

__all__ = ["public_router", "router"]

router = APIRouter()
public_router = APIRouter()

_log = structlog.get_logger(__name__)

Opened = Annotated[ExportState, state]
ConnectionId = Annotated[UUID, Path(description="The connection's id.")]


def _whose(user: User) -> UUID | None:
    """Administrators see and delete everybody's connections; they use none but their own."""
    return None if user.is_admin else user.id


@router.post("/connections", status_code=201, responses=problem_responses(422, 500, 503))
async def connect(
    request: NewConnection, user: CurrentUser, work: Work, opened: Opened
) -> ConnectionView:
    """Connect to a Jira site with an API token; it is tried before it is kept, sealed."""
    await work.db.commit()  # the site is asked with no transaction open
    connection = await opened.connections.connect(
        user.id,
        site_url=request.site_url,
        email=request.email,
        token=request.token.get_secret_value(),
        name=request.name,
    )
    return ConnectionView.of(connection)


@router.get("/connections", responses=problem_responses())
async def list_connections(user: CurrentUser, work: Work) -> list[ConnectionView]:
    """List your connections, oldest first; administrators see everybody's."""
    found = await keeping.list_connections(work.db, of=_whose(user))
    return [ConnectionView.of(connection) for connection in found]


@router.get("/connections/{connection_id}", responses=problem_responses(404))
async def read_connection(
    connection_id: ConnectionId, user: CurrentUser, work: Work
) -> ConnectionView:
    """Read one connection, without its secrets."""
    return ConnectionView.of(await keeping.get_connection(work.db, connection_id, of=_whose(user)))


@router.post(
    "/connections/{connection_id}/check", responses=problem_responses(404, 409, 422, 500, 503)
)
async def check_connection(
    connection_id: ConnectionId,
    user: CurrentUser,
    work: Work,
    opened: Opened,
    request: CheckConnection | None = None,
) -> ConnectionChecked:
    """Ask the site who is let in, and what the account may do in a project."""
    await work.db.commit()
    key = request.project_key if request else None
    checked = await opened.connections.check(user.id, connection_id, project_key=key)
    return ConnectionChecked.of(checked, project_key=key)


@router.delete("/connections/{connection_id}", responses=problem_responses(404))
async def disconnect(
    connection_id: ConnectionId, user: CurrentUser, work: Work, opened: Opened
) -> ConnectionDeleted:
    """Log out: forget the tokens here, and have them revoked where there is a way."""
    await work.db.commit()
    revoked = await opened.connections.disconnect(connection_id, actor_id=user.id, of=_whose(user))
    return ConnectionDeleted(revoked=revoked)


@router.post("/connections/oauth", responses=problem_responses(422, 500))
async def begin_authorization(
    user: CurrentUser, work: Work, opened: Opened, request: BeginAuthorization | None = None
) -> AuthorizationBegun:
    """Begin to connect by OAuth: open the address in a browser, within ten minutes."""
    await work.db.commit()
    begun = await opened.connections.begin_oauth(
        user.id, site_url=request.site if request else None
    )
    return AuthorizationBegun(authorize_url=begun.authorize_url, expires_at=begun.expires_at)


@public_router.get(
    "/connections/oauth/callback",
    response_class=Response,
    responses={
        200: {"content": {"text/html": {}}, "description": "Connected; a page for a person."},
        400: {"content": {"text/html": {}}, "description": "Not connected; the page says why."},
    },
)
async def finish_authorization(
    opened: Opened,
    state: Annotated[str | None, Query(max_length=500)] = None,
    code: Annotated[str | None, Query(max_length=4000)] = None,
    error: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """Take a browser that comes back from Atlassian; whose it is follows from the state."""
    try:
        connection = await opened.connections.finish_oauth(state=state, code=code, error=error)
        owner = await opened.connections.owner_name(connection)
    except TicketgenError as problem:
        _log.warning("authorization_failed", code=problem.code)
        return answer_page(problem)
    return answer_page(connection, owner=owner)
