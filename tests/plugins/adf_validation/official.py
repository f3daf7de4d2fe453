"""The official ADF schema, where a copy of it is at hand, as the judge of differential tests."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

SPEC_DIR = os.getenv("TICKETGEN_SPEC_DIR")

needs_official_schema = pytest.mark.skipif(
    SPEC_DIR is None, reason="TICKETGEN_SPEC_DIR names no folder with adf/full.json"
)


def official_schema() -> Any:
    """The validator of Atlassian's schema; only for tests marked `needs_official_schema`."""
    path = Path(SPEC_DIR or "") / "adf" / "full.json"
    return jsonschema_rs.Draft4Validator(json.loads(path.read_text()))
