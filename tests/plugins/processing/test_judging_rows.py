"""What is said about rows beside the tickets made of them: gaps, namesakes, near names."""

from __future__ import annotations

from tests.plugins.processing.sheets import build
from tests.plugins.processing.test_components import BUNDLES, FIELDS
from ticketgen.findings import Severity


def test_an_empty_cell_that_a_component_needs_is_a_warning_of_its_own_for_each() -> None:
    built = build(
        bundles=BUNDLES,
        fields="Bundle,Field label,Machine name,Field type\n"
        "Article (Content type),Slate form,field_slate,\nArticle (Content type),,field_x,Text\n",
    )

    assert [(one.rule, one.severity, one.row, one.column) for one in built.findings] == [
        ("processing.missing_value", Severity.WARNING, 2, "Field type"),
        ("processing.missing_value", Severity.WARNING, 3, "Field label"),
    ]
    assert "“field_x” has no “Field label”" in built.findings[1].message


def test_a_repeated_field_may_belong_to_a_namesake_of_its_bundle() -> None:
    row = "Image (Media type),File,field_file,Image,,image\n"
    built = build(bundles=BUNDLES, fields=FIELDS + row + row)

    [finding] = built.findings

    assert (finding.rule, finding.row) == ("processing.duplicate", 3)
    assert finding.suggestions == ("Image (Paragraph type)",)
    assert "or write “Image (Paragraph type)” under “Bundle”" in finding.remedy


def test_names_that_are_near_are_ready_to_be_typed_the_likeliest_first() -> None:
    built = build(
        bundles="Name,Machine name,Type\nNews Tags,news,Vocabulary\nNews Types,types,Vocabulary\n"
        "Remote Video,remote_video,Media type\n",
        fields=FIELDS + "News Tags (Vocabulary),T,t,Ref,New Tags (Vocabulary),\n",
        view_modes="View Modes,Entity Type,Entities Used On\nCard,Media type,Video\n",
        workflows="Label,Machine name,Type\nMain,main,Moderation\n",
        workflow_states="Workflow,Label,Machine name\nMain,Draft,draft\nMain,Live,live\n",
        workflow_transitions="Workflow,Label,From state,To state\nMain,Publish,Draft,Lives\n",
    )

    meant = {finding.value: finding.suggestions for finding in built.findings}

    assert meant["New Tags (Vocabulary)"][0] == "News Tags (Vocabulary)"
    assert meant["Video"] == ("Remote Video",), "the kind stands in a column of its own"
    assert meant["Lives"] == ("Draft", "Live")
