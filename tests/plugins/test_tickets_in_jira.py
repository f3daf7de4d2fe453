"""Every ticket of a whole specification as Jira gets it: a valid document, criteria to tick off."""

from __future__ import annotations

import pytest

from tests.plugins.processing.markdown_tables import tasks
from tests.plugins.processing.sheets import SITE, sheets, specification
from ticketgen_adf_validation.converting import markdown_to_adf
from ticketgen_adf_validation.jira_rules import JIRA_RULES
from ticketgen_adf_validation.judging import judge
from ticketgen_export.wiki_markup import wiki_markup
from ticketgen_processing.building.components import build_tickets
from ticketgen_processing.csv_types import CSV_TYPES
from ticketgen_processing.rendering import render
from ticketgen_processing.writing import write_from_template

CHECKS = [("adf_validation", JIRA_RULES)]


@pytest.mark.parametrize("name", ["sample", "real"])
def test_every_ticket_is_a_valid_document_whose_criteria_are_tasks(name: str) -> None:
    for one in build_tickets(sheets(specification(name)), CSV_TYPES).components:
        description = render(one, write_from_template(one, SITE)).description

        document = markdown_to_adf(description)

        lists = [block for block in document["content"] if block["type"] == "taskList"]
        criteria = tasks(description, "Success criteria")
        assert judge(document, CHECKS) == (), one.key
        assert [len(block["content"]) for block in lists] == [len(criteria)], one.key
        assert {item["attrs"]["state"] for item in lists[0]["content"]} == {"TODO"}
        assert wiki_markup(document).count("\n* ☐ ") == len(criteria), one.key
