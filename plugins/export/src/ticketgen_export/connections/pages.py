"""The page a browser sees when it comes back from Atlassian: plain text, no script, no secret."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from fastapi import Response

from ticketgen.errors import TicketgenError
from ticketgen_export.connections.stored import Connection

__all__ = ["answer_page"]

_HEADERS = {
    # The address of this page holds code and state.
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
}


def answer_page(outcome: Connection | TicketgenError, *, owner: str = "") -> Response:
    """What came of an authorization: a connection of the user `owner`, or why there is none."""
    if isinstance(outcome, TicketgenError):
        sentences = [outcome.message, *outcome.recovery_actions]
        return _page("Not connected", sentences, status=outcome.status)
    return _page(
        # First what tells somebody who was sent here by another that it is not theirs.
        f"{owner}, a user of ticketgen, is connected to {outcome.site_url}",
        [
            f"{owner} can now let ticketgen work on {outcome.site_url} as {outcome.account_name}.",
            "You may close this page. If you are not that user of ticketgen, somebody sent you "
            "here: take the consent back in your Atlassian account.",
        ],
        status=200,
    )


def _page(title: str, sentences: Sequence[str], *, status: int) -> Response:
    """A page with a heading and some sentences; nothing in them is taken for HTML."""
    body = "".join(f"<p>{escape(sentence)}</p>\n" for sentence in sentences)
    html = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n</head>\n"
        f"<body>\n<h1>{escape(title)}</h1>\n{body}</body>\n</html>\n"
    )
    return Response(html, status, _HEADERS, media_type="text/html; charset=utf-8")
