"""The official ADF schema, where a copy of it is at hand, as the judge of differential tests."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

SPEC_DIR = os.getenv("TICKETGEN_SPEC_DIR")

needs_official_schema = pytest.mark.skipif(
    SPEC_DIR is None, reason="TICKETGEN_SPEC_DIR names no folder with adf/full.json"
)


def official_definitions() -> Any:
    """Atlassian's schema as it is written; only for tests marked `needs_official_schema`."""
    return json.loads((Path(SPEC_DIR or "") / "adf" / "full.json").read_text())


@cache
def official_schema() -> Any:
    """The validator of Atlassian's schema; only for tests marked `needs_official_schema`."""
    return jsonschema_rs.Draft4Validator(official_definitions())
