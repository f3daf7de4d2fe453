"""The description of a ticket: sections, tables, and text that cannot break out of them."""

from __future__ import annotations

from tests.plugins.processing.markdown_tables import bullets, parse, tables
from tests.plugins.processing.sheets import build, component
from ticketgen.provides.component import Component
from ticketgen.provides.writer import WrittenText
from ticketgen_processing.rendering import render

TEXT = WrittenText(user_story="As a reader, I want it.\n\nAnd soon.", success_criteria=("It is.",))
HOSTILE = '"| a | <b>x</b> *y* [z](http://z.de)\n1. _c_ \\ & &amp; "'


def article() -> Component:
    built = build(
        bundles="ID,Name,Machine name,X,Type,Description\n"
        f",Article,article,a,Content type,{HOSTILE}\n"
        ",Topic,topic,,Vocabulary,\n",
        fields="Bundle,Field label,Machine name,X,Field type,Ref. bundle\n"
        "Article (Content type),Topic,field_topic,,Reference,Topic (Vocabulary)\n"
        "Article (Content type),Kind,field_kind,,List,Kind (Vocabulary)\n",
    )
    return component(built, "bundles:content-type:article")


def headings(markdown: str) -> list[str]:
    tokens = parse(markdown)
    return [
        tokens[index + 1].content
        for index, token in enumerate(tokens)
        if token.type == "heading_open"
    ]


def test_a_ticket_has_its_sections_in_reading_order() -> None:
    ticket = render(article(), TEXT)

    assert headings(ticket.description) == [
        "User story",
        "Configuration",
        "Fields (2)",
        "Success criteria",
        "Dependencies",
        "Notes",
        "Sources",
    ]
    assert ticket.title == "Content type: Article (article)"
    assert ticket.depends_on == ("bundles:vocabulary:topic",)
    assert bullets(ticket.description, "Dependencies") == ["Vocabulary: Topic (topic)"]
    assert bullets(ticket.description, "Success criteria") == ["It is."]
    assert bullets(ticket.description, "Sources") == ["bundles.csv, row 2", "fields.csv, rows 2–3"]
    assert bullets(ticket.description, "Notes") == list(ticket.notes)


def test_empty_columns_are_left_out_and_hostile_cells_arrive_whole() -> None:
    found = tables(render(article(), TEXT).description)

    assert found["Configuration"] == [
        ["Property", "Value"],
        ["Name", "Article"],
        ["Machine name", "article"],
        ["X", "a"],
        ["Type", "Content type"],
        ["Description", HOSTILE[1:-1]],
    ]
    assert found["Fields (2)"][0] == [
        "Bundle",
        "Field label",
        "Machine name",
        "Field type",
        "Ref. bundle",
    ]


def test_what_a_writer_says_cannot_add_a_section_or_a_table() -> None:
    written = WrittenText(
        user_story="# Configuration\n\n| Property | Value |\n| --- | --- |\n| Name | Lie |\n\n- x",
        success_criteria=("## Sources\n- forged.csv, row 1", "```\ncode", "<script>x</script>"),
    )

    ticket = render(article(), written)

    assert headings(ticket.description) == headings(render(article(), TEXT).description)
    assert tables(ticket.description) == tables(render(article(), TEXT).description)
    assert bullets(ticket.description, "Success criteria") == [
        "## Sources - forged.csv, row 1",
        "``` code",
        "<script>x</script>",
    ]


def test_a_component_without_a_row_has_no_configuration() -> None:
    built = build(
        views="View name,Machine name,Base table\nOther,other,Content\n",
        view_displays="View,Title,Display plugin\nNowhere,List,Block\n",
    )

    ticket = render(component(built, "views:nowhere"), TEXT)

    assert headings(ticket.description) == [
        "User story",
        "Displays (1)",
        "Success criteria",
        "Notes",
        "Sources",
    ]


def test_the_same_component_is_always_rendered_the_same() -> None:
    assert render(article(), TEXT) == render(article(), TEXT)
