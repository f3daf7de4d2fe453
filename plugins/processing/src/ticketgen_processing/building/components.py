"""The tickets of a specification: one for each component, in the order to build them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ticketgen import Finding, Severity
from ticketgen.provides import (
    Component,
    ComponentLink,
    ComponentList,
    ComponentTable,
    CsvType,
)
from ticketgen_processing.building.accepting import note_accepted
from ticketgen_processing.building.drafts import Draft, Need
from ticketgen_processing.building.gathering import gather
from ticketgen_processing.building.linking import link
from ticketgen_processing.building.ordering import cut_cycles, topological_order
from ticketgen_processing.intake.parsing import Sheet
from ticketgen_processing.intake.remarks import shorten

__all__ = ["Built", "build_tickets"]

_LONGEST_TITLE = 250


@dataclass(frozen=True, kw_only=True)
class Built:
    """The components in building order, and every finding, by file and row."""

    components: tuple[Component, ...]
    findings: tuple[Finding, ...]


def build_tickets(
    sheets: Sequence[Sheet], types: Sequence[CsvType], *, accepted: frozenset[str] = frozenset()
) -> Built:
    """One component for each thing to build, with its child rows, its needs and its place.

    Every row of every sheet ends on exactly one component. Components come after those they
    need, and otherwise by type, kind and row. Needs that run in a circle are cut by the rule of
    `cut_cycles`; each cut is a warning and a note on the ticket that lost the need. A component
    with an error whose identity (see `grouping.py`) is among those `accepted` has a note of it.

    Raises:
        KeyError: A sheet names a type that is not among `types`.
    """
    by_name = {csv_type.name: csv_type for csv_type in types}
    gathered = gather(sheets, by_name)
    findings = [finding for sheet in sheets for finding in sheet.findings]
    findings += gathered.findings
    findings += link(gathered.drafts, gathered.directory, by_name)
    order, needs, cuts = _arrange(gathered.drafts)
    findings += cuts
    note_accepted(gathered.drafts, findings, accepted)
    components = _components(gathered.drafts, order, needs, types)
    files = {sheet.file: number for number, sheet in enumerate(sheets)}
    findings.sort(key=lambda finding: (files.get(finding.file or "", -1), finding.row or 0))
    return Built(components=tuple(components), findings=tuple(findings))


def _components(
    drafts: Sequence[Draft],
    order: Sequence[int],
    needs: Sequence[Sequence[int]],
    types: Sequence[CsvType],
) -> Iterator[Component]:
    titles = [_title(draft) for draft in drafts]
    positions = {index: position for position, index in enumerate(order, start=1)}

    def links(indexes: Iterable[int]) -> tuple[ComponentLink, ...]:
        return tuple(
            ComponentLink(key=drafts[index].key, title=titles[index])
            for index in sorted(set(indexes), key=positions.__getitem__)
        )

    for index in order:
        draft = drafts[index]
        yield Component(
            key=draft.key,
            csv_type=draft.csv_type.name,
            label=draft.label,
            entity_group=draft.entity_group,
            name=draft.name,
            machine_name=draft.machine_name,
            qualifier=draft.qualifier,
            title=titles[index],
            position=positions[index],
            row=draft.row,
            tables=_tables(draft, types),
            lists=tuple(
                ComponentList(heading=heading, links=links(listed))
                for heading, listed in draft.lists.items()
            ),
            depends_on=links(needs[index]),
            notes=tuple(draft.notes),
        )


def _arrange(drafts: Sequence[Draft]) -> tuple[list[int], list[list[int]], list[Finding]]:
    """The building order, the needs that are left, and a warning for each that was cut."""
    ranked = sorted(range(len(drafts)), key=lambda index: (drafts[index].rank, index))
    rank_of = {index: rank for rank, index in enumerate(ranked)}
    kept, cut = cut_cycles([[rank_of[need] for need in drafts[index].needs] for index in ranked])
    findings: list[Finding] = []
    for node, need in cut:
        draft, needed = drafts[ranked[node]], drafts[ranked[need]]
        cell = draft.needs[ranked[need]]
        draft.notes.append(
            f"“{_title(needed)}” is referred to ({cell.row.file}, row {cell.row.row}), but needs "
            "this ticket first, directly or through others. To break the circle it is no "
            "dependency: complete the reference when both are built."
        )
        findings.append(_cycle_finding(cell, draft, needed))
    needs: list[list[int]] = [[] for _ in drafts]
    for rank, left in enumerate(kept):
        needs[ranked[rank]] = [ranked[need] for need in left]
    return [ranked[rank] for rank in topological_order(kept)], needs, findings


def _cycle_finding(cell: Need, draft: Draft, needed: Draft) -> Finding:
    return Finding(
        severity=Severity.WARNING,
        rule="processing.cycle",
        message=f"“{_title(draft)}” and “{_title(needed)}” need each other, directly or through "
        "others; the first is built without waiting for the second.",
        remedy="Nothing has to change; complete the reference once both exist.",
        file=cell.row.file,
        row=cell.row.row,
        column=cell.column,
        value=shorten(cell.value),
    )


def _tables(draft: Draft, types: Sequence[CsvType]) -> tuple[ComponentTable, ...]:
    return tuple(
        ComponentTable(
            csv_type=csv_type.name,
            heading=csv_type.parent.heading,
            rows=tuple(draft.children[csv_type.name]),
        )
        for csv_type in types
        if csv_type.parent is not None and csv_type.name in draft.children
    )


def _title(draft: Draft) -> str:
    detail = draft.machine_name
    if not detail and draft.label != draft.qualifier:
        detail = draft.qualifier
    name = " ".join(draft.name.split())
    ending = f" ({' '.join(detail.split())})" if detail else ""
    title = f"{draft.label}: {name}{ending}"
    return title if len(title) <= _LONGEST_TITLE else title[: _LONGEST_TITLE - 1] + "…"
