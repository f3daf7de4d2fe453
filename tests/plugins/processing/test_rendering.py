"""The description of a ticket: sections, tables, and text that cannot break out of them."""

from __future__ import annotations

from tests.plugins.processing.markdown_tables import bullets, parse, shown_rows, tables, tasks
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
        "The same in both rows",
        "Success criteria",
        "Notes",
        "Sources",
        "Dependencies",
    ]
    assert ticket.title == "Content type: Article (article)"
    assert ticket.depends_on == ("bundles:vocabulary:topic",)
    assert tasks(ticket.description, "Success criteria") == ["It is."]
    assert bullets(ticket.description, "Notes") == list(ticket.notes)
    assert bullets(ticket.description, "Sources") == ["bundles.csv, row 2", "fields.csv, rows 2–3"]
    assert bullets(ticket.description, "Dependencies") == ["Vocabulary: Topic (topic)"]


def test_what_needs_a_component_is_listed_on_it() -> None:
    built = build(
        bundles="Name,Machine name,Type\nA,a,Content type\nTopic,topic,Vocabulary\n",
        fields="Bundle,Field label,Field type,Ref. bundle\n"
        "A (Content type),T,R,Topic (Vocabulary)\n",
    )

    topic = render(component(built, "bundles:vocabulary:topic"), TEXT)

    assert bullets(topic.description, "Used by") == ["Content type: A (a)"]


def test_empty_columns_are_left_out_status_stands_last_and_hostile_cells_arrive_whole() -> None:
    found = tables(render(article(), TEXT).description)

    assert found["Configuration"] == [
        ["Property", "Value"],
        ["Name", "Article"],
        ["Machine name", "article"],
        ["Type", "Content type"],
        ["Description", HOSTILE[1:-1]],
        ["X", "a"],
    ]
    assert found["Fields (2)"][0] == ["Field label", "Machine name", "Field type", "Ref. bundle"]
    assert found["Fields (2) / The same in both rows"][1:] == [["Bundle", "Article (Content type)"]]


def test_a_table_of_one_row_is_read_downwards() -> None:
    built = build(
        views="View name,Machine name,Base table\nA,a,Content\n",
        view_displays="View,Dev,Title,Display plugin\nA,2,List,Block\n",
    )

    found = tables(render(component(built, "views:a"), TEXT).description)

    assert found["Displays (1)"] == [
        ["Property", "Value"],
        ["View", "A"],
        ["Title", "List"],
        ["Display plugin", "Block"],
        ["Dev", "2"],
    ]


def test_long_texts_of_a_wide_table_stand_below_it_and_no_cell_is_lost() -> None:
    header = "Bundle,Field label,Machine name,Field type,Req'd,Vals.,Form widget,Trns.,"
    long = "Limited HTML allowed. " * 5
    built = build(
        bundles="Name,Machine name,Type\nA,a,Content type\n",
        fields=f"{header}Field group,Settings/notes,X\n"
        f"A (Content type),T,t,Text,y,1,Area,y,One,{long},a\n"
        "A (Content type),U,u,Link,n,*,Link,n,Two,,\n"
        f"A (Content type),V,v,Date,n,3,Date,n,,{long}!,d\n",
    )
    bundle = component(built, "bundles:content-type:a")

    markdown = render(bundle, TEXT).description

    found = tables(markdown)
    assert found["Fields (3) / Settings/notes"] == [
        ["Field label", "Machine name", "Settings/notes"],
        ["T", "t", long],
        ["V", "v", f"{long}!"],
    ]
    assert "Settings/notes" not in found["Fields (3)"][0]
    assert found["Fields (3)"][0][-1] == "X"
    assert [
        {header: text for header, text in row.items() if text}
        for row in shown_rows(markdown)["Fields (3)"]
    ] == [row.filled for row in bundle.child_rows("fields")]


def test_what_a_writer_says_cannot_add_a_section_or_a_table() -> None:
    written = WrittenText(
        user_story="# Configuration\n\n| Property | Value |\n| --- | --- |\n| Name | Lie |\n\n- x",
        success_criteria=("## Sources\n- forged.csv, row 1", "```\ncode", "<script>x</script>"),
    )

    ticket = render(article(), written)

    assert headings(ticket.description) == headings(render(article(), TEXT).description)
    assert tables(ticket.description) == tables(render(article(), TEXT).description)
    assert tasks(ticket.description, "Success criteria") == [
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
