"""One ticket per component: children, references, duplicates, cycles, order."""

from __future__ import annotations

import pytest

from tests.plugins.processing.sheets import build, component, sheet
from ticketgen.findings import Severity
from ticketgen_processing.building.components import Built, build_tickets
from ticketgen_processing.csv_types import CSV_TYPES

BUNDLES = (
    "Name,Machine name,Type\n"
    "Article,article,Content type\n"
    "Image,image,Media type\n"
    "Image,image,Paragraph type\n"
    "Topic,topic,Vocabulary\n"
)
FIELDS = "Bundle,Field label,Machine name,Field type,Ref. bundle,Bundle machine name\n"
BASE = "Name,Machine name,Type\nA,a,Content type\nB,b,Content type\nC,c,Content type\n"


def rules(built: Built) -> list[str]:
    return [finding.rule for finding in built.findings]


def needs(built: Built, key: str) -> list[str]:
    return [link.key for link in component(built, key).depends_on]


def test_fields_are_a_table_on_the_ticket_of_their_bundle_in_sheet_order() -> None:
    built = build(
        bundles=BUNDLES,
        fields=FIELDS
        + "Article (Content type),Intro,field_intro,Text,,article\n"
        + "Image (Media type),File,field_file,Image,,image\n"
        + "article (content  type),Body,field_body,Text,,\n",
    )

    article = component(built, "bundles:content-type:article")

    assert article.title == "Content type: Article (article)"
    assert article.entity_group == "Content types"
    assert [row.text("Field label") for row in article.child_rows("fields")] == ["Intro", "Body"]
    assert [(one.file, one.rows) for one in article.sources] == [
        ("bundles.csv", (2,)),
        ("fields.csv", (2, 4)),
    ]
    assert built.findings == ()


def test_the_same_machine_name_in_two_bundle_types_is_legal() -> None:
    built = build(
        bundles=BUNDLES,
        fields=FIELDS
        + "Image (Media type),A,field_a,Text,,image\n"
        + "Image (Paragraph type),B,field_b,Text,,image\n",
    )

    media = component(built, "bundles:media-type:image")
    paragraph = component(built, "bundles:paragraph-type:image")

    assert [row.text("Field label") for row in media.child_rows("fields")] == ["A"]
    assert [row.text("Field label") for row in paragraph.child_rows("fields")] == ["B"]
    assert built.findings == ()


def test_a_parent_is_found_by_machine_name_where_its_name_is_missing() -> None:
    built = build(bundles=BUNDLES, fields=FIELDS + ",Intro,field_intro,Text,,article\n")

    assert len(component(built, "bundles:content-type:article").child_rows("fields")) == 1
    assert built.findings == ()


def test_rows_of_a_parent_nobody_defines_get_a_ticket_with_a_note() -> None:
    built = build(
        views="View name,Machine name,Base table\nContact/Hours,contact_hours,Content\n",
        view_displays="View,Title,Machine name,Display plugin\n"
        "Contact,By tag,by_tag,Block\nContact,By page,by_page,Block\n",
    )

    contact = component(built, "views:contact")
    finding = built.findings[0]

    assert contact.row is None
    assert len(contact.child_rows("view_displays")) == 2
    assert "Did the sheet mean “Contact/Hours”?" in contact.notes[0]
    assert rules(built) == ["processing.parent"]
    assert (finding.severity, finding.file, finding.row, finding.column, finding.value) == (
        Severity.ERROR,
        "view_displays.csv",
        2,
        "View",
        "Contact",
    )
    assert "Contact/Hours" in finding.remedy


def test_rows_that_name_no_parent_are_gathered_on_one_ticket() -> None:
    built = build(bundles=BUNDLES, fields=FIELDS + ",A,a,Text,,\n-,B,b,Text,,\n")

    lost = component(built, "bundles:not-named-in-the-sheet")

    assert len(lost.child_rows("fields")) == 2
    assert rules(built) == ["processing.parent"]


def test_a_parent_whose_name_means_two_things_is_asked_about() -> None:
    built = build(bundles=BUNDLES, fields=FIELDS + "Image,A,a,Text,,\n")

    assert rules(built) == ["processing.parent"]
    assert "the name of 2 components" in built.findings[0].message
    assert "“Image (Media type)” or “Image (Paragraph type)”" in built.findings[0].remedy


def test_a_missing_sheet_is_one_warning_however_many_rows_miss_it() -> None:
    built = build(
        fields=FIELDS
        + "A (Content type),x,x,Text,B (Content type),\n"
        + "B (Content type),y,y,Text,A (Content type),\n"
    )

    assert rules(built) == ["processing.missing_sheet", "processing.missing_sheet"]
    assert {finding.column for finding in built.findings} == {"Bundle", "Ref. bundle"}
    assert {one.title for one in built.components} == {"Content type: A", "Content type: B"}
    assert all(one.notes for one in built.components)


def test_a_reference_is_a_dependency_of_the_ticket() -> None:
    built = build(
        bundles=BUNDLES,
        fields=FIELDS
        + "Article (Content type),T,t,Ref,Topic (Vocabulary),\n"
        + "Article (Content type),M,m,Ref,image (media  type),\n"
        + 'Article (Content type),P,p,Ref,"Image (Paragraph type), Topic (Vocabulary)",\n',
    )

    assert needs(built, "bundles:content-type:article") == [
        "bundles:vocabulary:topic",
        "bundles:media-type:image",
        "bundles:paragraph-type:image",
    ]
    assert built.findings == ()


@pytest.mark.parametrize("text", ["All", "All except sections", "-", "none", "Any"])
def test_a_cell_that_means_nothing_in_particular_is_no_reference(text: str) -> None:
    built = build(bundles=BUNDLES, fields=FIELDS + f"Article (Content type),P,p,Ref,{text},\n")

    assert needs(built, "bundles:content-type:article") == []
    assert built.findings == ()


def test_a_component_that_happens_to_be_called_all_is_still_found() -> None:
    built = build(
        bundles=BUNDLES + "All about us,about,Content type\n",
        fields=FIELDS + "Article (Content type),P,p,Ref,All about us (Content type),\n",
    )

    assert needs(built, "bundles:content-type:article") == ["bundles:content-type:about"]


def test_a_reference_to_nothing_is_a_finding_and_a_note_and_stops_nothing() -> None:
    built = build(
        bundles=BUNDLES, fields=FIELDS + "Article (Content type),T,t,Ref,Topics (Vocabulary),\n"
    )

    finding = built.findings[0]

    assert needs(built, "bundles:content-type:article") == []
    assert (finding.severity, finding.rule) == (Severity.ERROR, "processing.reference")
    assert (finding.file, finding.row, finding.column) == ("fields.csv", 2, "Ref. bundle")
    assert "Write “Topic (Vocabulary)” if that is meant" in finding.remedy
    assert "Topics (Vocabulary)" in component(built, "bundles:content-type:article").notes[0]


def test_a_reference_that_means_two_things_is_asked_about() -> None:
    built = build(bundles=BUNDLES, fields=FIELDS + "Article (Content type),T,t,Ref,Image,\n")

    assert rules(built) == ["processing.reference"]
    assert "the name of 2 components" in built.findings[0].message


def test_a_group_of_image_styles_is_every_style_that_continues_its_name() -> None:
    built = build(
        image_styles="Style name,Machine name\nCard,card\nCard 2x,card_2x\nCardinal,cardinal\n"
        "Hero (wide),hero_wide\n",
        responsive_image_styles="Responsive style,Machine name,Fallback Style,Image Style Group(s),"
        'Fallback machine name\nTeaser,teaser,gone,"card, hero",hero_wide\n',
    )

    assert needs(built, "responsive_image_styles:teaser") == [
        "image_styles:card",
        "image_styles:card_2x",
        "image_styles:hero_wide",
    ]
    assert built.findings == ()


def test_a_view_mode_is_listed_on_the_bundles_it_is_used_on() -> None:
    built = build(
        bundles=BUNDLES,
        view_modes='View Modes,Entity Type,Entities Used On\nCard,Media type,"Image, Video"\n',
    )

    listed = component(built, "bundles:media-type:image").lists[0]

    assert listed.heading == "View modes"
    assert [link.title for link in listed.links] == ["View mode: Card (Media type)"]
    assert not component(built, "bundles:paragraph-type:image").lists
    assert needs(built, "view_modes:media-type:card") == ["bundles:media-type:image"]
    assert [finding.value for finding in built.findings] == ["Video"]


def test_a_transition_to_a_state_its_workflow_lacks_is_a_finding() -> None:
    built = build(
        workflows="Label,Machine name,Type\nMain,main,Moderation\nOther,other,Moderation\n",
        workflow_states="Workflow,Label,Machine name\nMain,Draft,draft\nOther,Live,live\n",
        workflow_transitions="Workflow,Label,From state,To state\n"
        "Main,Save,Draft,draft\nMain,Publish,Draft,Live\n",
    )

    finding = built.findings[0]

    assert rules(built) == ["processing.reference"]
    assert (finding.row, finding.column, finding.value) == (3, "To state", "Live")
    assert "Draft" in finding.remedy
    assert component(built, "workflows:main").notes


def test_a_second_definition_gets_a_key_of_its_own_and_a_warning() -> None:
    built = build(
        bundles=BUNDLES + "Story,article,Content type\n",
        fields=FIELDS + "Article (Content type),A,a,Text,,article\n",
    )

    first = component(built, "bundles:content-type:article")
    second = component(built, "bundles:content-type:article-2")

    assert (first.name, second.name) == ("Article", "Story")
    assert len(first.child_rows("fields")) == 1
    assert rules(built) == ["processing.duplicate"]
    assert built.findings[0].row == 6
    assert "row 2" in second.notes[0]


def test_a_suffix_never_takes_the_key_of_another_component() -> None:
    built = build(
        user_roles="Name,Machine name\nA,editor\nB,editor\nC,editor-2\n",
    )

    assert {one.name: one.key for one in built.components} == {
        "A": "user_roles:editor",
        "B": "user_roles:editor-3",
        "C": "user_roles:editor-2",
    }


def test_the_same_field_twice_on_a_bundle_is_a_warning() -> None:
    built = build(
        bundles=BUNDLES,
        fields=FIELDS
        + "Article (Content type),A,field_a,Text,,\n"
        + "Article (Content type),B,field_a,Text,,\n"
        + "Article (Content type),T,-,Text,,\n"
        + "Article (Content type),U,-,Text,,\n",
    )

    repeated = [one for one in built.findings if one.rule == "processing.duplicate"]

    assert [(one.row, one.value) for one in repeated] == [(3, "field_a")]


def test_a_reference_to_itself_is_dropped() -> None:
    built = build(bundles=BASE, fields=FIELDS + "A (Content type),S,s,Ref,A (Content type),\n")

    assert needs(built, "bundles:content-type:a") == []
    assert built.findings == ()


def test_a_circle_loses_one_dependency_with_a_note_and_a_warning() -> None:
    built = build(
        bundles=BASE,
        fields=FIELDS
        + "A (Content type),x,x,Ref,B (Content type),\n"
        + "B (Content type),y,y,Ref,C (Content type),\n"
        + "C (Content type),z,z,Ref,A (Content type),\n",
    )

    assert needs(built, "bundles:content-type:a") == ["bundles:content-type:b"]
    assert needs(built, "bundles:content-type:b") == ["bundles:content-type:c"]
    assert needs(built, "bundles:content-type:c") == []
    assert [one.name for one in built.components] == ["C", "B", "A"]
    assert (
        "“Content type: A (a)” is referred to (fields.csv, row 4)" in built.components[0].notes[0]
    )
    assert [(one.rule, one.severity, one.row, one.column, one.value) for one in built.findings] == [
        ("processing.cycle", Severity.WARNING, 4, "Ref. bundle", "A (Content type)")
    ]


def test_positions_follow_type_kind_and_row_where_nothing_is_needed() -> None:
    built = build(
        views="View name,Machine name,Base table\nV,v,Content\n",
        bundles=BUNDLES,
        user_roles="Name,Machine name\nEditor,editor\n",
    )

    assert [(one.position, one.name, one.qualifier) for one in built.components] == [
        (1, "Editor", ""),
        (2, "Topic", "Vocabulary"),
        (3, "Image", "Media type"),
        (4, "Image", "Paragraph type"),
        (5, "Article", "Content type"),
        (6, "V", ""),
    ]


def test_a_bundle_of_an_unknown_type_is_grouped_under_that_type() -> None:
    built = build(bundles="Name,Machine name,Type\nSurvey,survey,Webform\n")

    survey = component(built, "bundles:webform:survey")

    assert (survey.label, survey.entity_group) == ("Bundle", "Webform")
    assert survey.title == "Bundle: Survey (survey)"


def test_a_row_without_a_name_keeps_its_ticket_and_is_a_warning() -> None:
    built = build(user_roles="Name,Machine name,Notes\n,editor,\n,,only a note\n")

    assert [one.title for one in built.components] == [
        "User role: editor (editor)",
        "User role: row 3 of user_roles.csv",
    ]
    assert rules(built) == ["processing.missing_title"] * 2


def test_a_title_is_one_line_that_fits_into_jira() -> None:
    built = build(user_roles='Name,Machine name\n"Edi\ntor ' + "x" * 300 + '",editor\n')

    title = built.components[0].title

    assert title.startswith("User role: Edi tor xxx")
    assert len(title) == 250


def test_files_of_the_same_type_are_one_specification() -> None:
    first = sheet("Name,Machine name,Type\nTopic,topic,Vocabulary\n", "bundles", file="1.csv")
    second = sheet(FIELDS + "Topic (Vocabulary),A,a,Text,,\n", "fields", file="2.csv")
    third = sheet(
        "Bundle,Field label,Field type,Extra\nTopic (Vocabulary),B,Text,e\n", "fields", file="3.csv"
    )

    built = build_tickets([first, second, third], CSV_TYPES)

    table = built.components[0].tables[0]
    assert [row.file for row in table.rows] == ["2.csv", "3.csv"]
    assert table.headers == ("Bundle", "Field label", "Machine name", "Field type", "Extra")
