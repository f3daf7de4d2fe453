"""Where the grammar and Atlassian's schema may differ, and nowhere else."""

from __future__ import annotations

from typing import Any

from ticketgen import Finding
from ticketgen_adf_validation.checking import check_grammar

_LAX = {
    "paragraph": "marks",
    "heading": "marks",
    "mediaSingle": "content",
    "layoutSection": "content",
}
"""What the schema leaves open in a `bodiedSyncBlock`, by the node that stands in it."""


def disagreement(document: Any, verdict: bool) -> str | None:
    """What is wrong with the grammar's verdict on a document, beside that of the schema."""
    findings = check_grammar(document)
    if verdict is not bool(findings):
        return None
    if not findings:
        return "accepted, though the schema refuses it"
    strange = [finding for finding in findings if not is_deliberate(document, finding)]
    return f"refused, though the schema accepts it: {strange[0]}" if strange else None


def is_deliberate(document: Any, finding: Finding) -> bool:
    """Whether a finding stems from one of the `DELIBERATE_DIFFERENCES`."""
    if finding.rule == "adf_validation.task_blocks":
        return True
    steps = (finding.path or "").split("/")[1:]
    node, parent = document, ""
    while steps:
        if parent == "bodiedSyncBlock" and _LAX.get(node["type"]) == steps[0]:
            return True
        if steps[0] != "content" or len(steps) == 1:
            return parent == "bodiedSyncBlock" and node["type"] == "mediaSingle"
        parent, node, steps = node["type"], node["content"][int(steps[1])], steps[2:]
        if not isinstance(node, dict) or "type" not in node:
            return False
    # A node that lacks its content is found at its own place.
    return parent == "bodiedSyncBlock" and node["type"] == "mediaSingle"
