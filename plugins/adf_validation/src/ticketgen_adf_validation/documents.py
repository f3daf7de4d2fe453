"""The document that a description becomes, and the description that a document becomes."""

from __future__ import annotations

from typing import Any

from ticketgen.domain.descriptions import short_form_of
from ticketgen_adf_validation.checking import check_grammar
from ticketgen_adf_validation.errors import DocumentTooLargeError, NoDocumentError
from ticketgen_adf_validation.judging import has_outer_shape
from ticketgen_adf_validation.walking import placed_nodes

__all__ = ["described", "document_of"]

_MOST_NODES = 50_000
_LONGEST = 200_000
"""Characters of a description, as everywhere a person writes one."""


def document_of(description: str, *, key: str) -> dict[str, Any]:
    """Promise the document of a ticket: of its short form, where the description is too long."""
    # Not at the top: a worker that validates nothing needs no parser of Markdown.
    from ticketgen_adf_validation.converting import markdown_to_adf

    short = short_form_of(description, key=key)
    return markdown_to_adf(description if short is None else short.text)


def described(document: object) -> str:
    """Promise the Markdown of a document from Jira, valid or not, with every word in it.

    Raises:
        NoDocumentError: it is no document at all; the findings say why.
        DocumentTooLargeError: it has more nodes or characters than a description ever has.
    """
    from ticketgen_adf_validation.reverting import adf_to_markdown

    if not isinstance(document, dict) or not has_outer_shape(document):
        raise NoDocumentError("This is no ADF document.", check_grammar(document))
    number = sum(1 for _ in placed_nodes(document))
    if number > _MOST_NODES:
        raise DocumentTooLargeError(
            f"The document has {number:,} nodes; at most {_MOST_NODES:,} are read.",
            recovery_actions=["Send it in parts."],
        )
    markdown = adf_to_markdown(document)
    if len(markdown) > _LONGEST:
        raise DocumentTooLargeError(
            f"The document has {len(markdown):,} characters; a description has {_LONGEST:,}.",
            recovery_actions=["Send it in parts."],
        )
    return markdown
