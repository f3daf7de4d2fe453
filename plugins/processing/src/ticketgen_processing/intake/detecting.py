"""Which type a sheet has, told from its file name and its header."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ticketgen.provides import CsvType
from ticketgen_processing.naming import header_name

__all__ = ["LEAST_SURE", "Detection", "detect", "is_header"]

LEAST_SURE = 0.56
"""A detection that is less sure than this deserves a look by a person."""

_CLEAR_FIT = 0.8
_LEAST_FIT = 0.5
_LEAST_LEAD = 0.05
_CLEAR_LEAD = 0.2
_ALIAS_WEIGHT = 0.5
_LONGEST_STEM = 200
_COPY_MARK = re.compile(r"(?:[\s_.()\-\d]|v(?=\d)|(?<![a-z])copy|(?<![a-z])final)+$", re.IGNORECASE)
_ENDING = re.compile(r"\.(csv|tsv|txt|tab|xlsx|xlsm)$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Detection:
    """The type found, how sure that is from 0 to 1, and what it was told by."""

    csv_type: CsvType | None
    confidence: float
    by: str
    """`file name and header`, `file name`, `header` or `nothing`."""
    otherwise: CsvType | None = None
    """The type of which the file's name is, where its header is of another."""


def detect(file_name: str, header: Sequence[str], types: Sequence[CsvType]) -> Detection:
    """The best type for a file; none where neither its name nor its header fits one.

    The name decides as long as the header does not clearly fit another type. Any prefix of a
    project, any case, and endings such as `(1)` or `copy` are ignored. What is less sure than
    `LEAST_SURE` was told by one of the two alone, or against the other.
    """
    named = _by_file_name(file_name, types)
    found = {header_name(cell) for cell in header if cell.strip()}
    fits = {csv_type.name: _fit(found, csv_type) for csv_type in types}
    ranked = sorted(types, key=lambda csv_type: -fits[csv_type.name])
    best = fits[ranked[0].name] if ranked else 0.0
    second = fits[ranked[1].name] if len(ranked) > 1 else 0.0
    if named is not None:
        own = fits[named.name]
        against = best >= _CLEAR_FIT and best - own >= _CLEAR_LEAD
        if not against and (own >= _LEAST_FIT or _has_columns(found, named)):
            return Detection(
                csv_type=named, confidence=round(0.8 + 0.2 * own, 2), by="file name and header"
            )
        if not against:
            return Detection(csv_type=named, confidence=0.5, by="file name")
        return Detection(csv_type=ranked[0], confidence=0.5, by="header", otherwise=named)
    if best >= _LEAST_FIT and best - second >= _LEAST_LEAD:
        return Detection(csv_type=ranked[0], confidence=round(0.7 * best, 2), by="header")
    return Detection(csv_type=None, confidence=0.0, by="nothing")


def is_header(cells: Sequence[str], types: Sequence[CsvType]) -> bool:
    """Whether a row has every required column of a type, and more than one of its columns."""
    found = {header_name(cell) for cell in cells if cell.strip()}
    return len(found) > 1 and any(_has_columns(found, csv_type) for csv_type in types)


def _by_file_name(file_name: str, types: Sequence[CsvType]) -> CsvType | None:
    stem = _ENDING.sub("", re.split(r"[\\/]", file_name)[-1])
    name = header_name(_COPY_MARK.sub("", stem[-_LONGEST_STEM:]) or stem[-_LONGEST_STEM:])
    endings = [
        (len(ending), -index, csv_type)
        for index, csv_type in enumerate(types)
        for ending in map(header_name, (csv_type.name, *csv_type.file_stems))
        if name.endswith(ending)
    ]
    # "…workflowstates" also ends with "states"; the longest ending knows best.
    return max(endings, key=lambda entry: entry[:2])[2] if endings else None


def _fit(found: set[str], csv_type: CsvType) -> float:
    matched, weight, missing = 0, 0.0, False
    for column in csv_type.columns:
        if header_name(column.name) in found:
            matched, weight = matched + 1, weight + 1.0
        elif found.intersection(map(header_name, column.aliases)):
            # "Name" and "Label" head many sheets, so an alias says less than the usual header.
            matched, weight = matched + 1, weight + _ALIAS_WEIGHT
        else:
            missing = missing or column.required
    union = len(found) + len(csv_type.columns) - matched
    fit = weight / union if union else 0.0
    return fit * 0.5 if missing else fit


def _has_columns(found: set[str], csv_type: CsvType) -> bool:
    names = [{header_name(name) for name in (one.name, *one.aliases)} for one in csv_type.columns]
    present = [bool(found & spellings) for spellings in names]
    required = [there for there, one in zip(present, csv_type.columns, strict=True) if one.required]
    return sum(present) > 1 and all(required)
