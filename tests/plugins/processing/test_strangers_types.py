"""Types of sheets that another plugin contributes."""

from __future__ import annotations

from tests.plugins.processing.sheets import component, sheet
from ticketgen.provides.csv_type import Column, CsvType, ParentLink, Reference
from ticketgen_processing.building.components import build_tickets
from ticketgen_processing.csv_types import CSV_TYPES
from ticketgen_processing.intake.parsing import parse_sheet
from ticketgen_processing.intake.reading import read_table

MENUS = CsvType(
    name="acme_menus",
    label="Menu",
    entity_group="Menus",
    file_stems=("menus",),
    columns=(
        Column(name="Menu", required=True),
        Column(name="For role"),
        Column(name="Region"),
    ),
    title_column="Menu",
    group_column="Region",
    references=(Reference(column="For role", targets=("user_roles",)),),
)
LINKS = CsvType(
    name="acme_links",
    label="Menu link",
    entity_group="Menu links",
    file_stems=("menulinks",),
    columns=(Column(name="Menu", required=True), Column(name="Link", required=True)),
    title_column="Link",
    parent=ParentLink(csv_type="acme_menus", column="Menu", heading="Links"),
)


def test_a_type_of_a_stranger_is_read_linked_and_grouped_like_ours() -> None:
    types = (*CSV_TYPES, MENUS, LINKS)
    menus = read_table(b"Menu;For role;Region\nMain;Editor;Header\nFoot;;\n", types)
    links = read_table(b"Menu;Link\nMain;Home\n", types)

    built = build_tickets(
        [
            parse_sheet("menus.csv", menus, MENUS),
            parse_sheet("links.csv", links, LINKS),
            sheet("Name,Machine name\nEditor,editor\n", "user_roles"),
        ],
        types,
    )

    assert [(one.title, one.entity_group) for one in built.components] == [
        ("User role: Editor (editor)", "User roles"),
        ("Menu: Main", "Header"),
        ("Menu: Foot", "Menus"),
    ]
    main = component(built, "acme_menus:main")
    assert [link.key for link in main.depends_on] == ["user_roles:editor"]
    assert len(main.child_rows("acme_links")) == 1
    assert built.findings == ()


def test_children_of_a_type_that_is_not_installed_become_tickets_of_their_own() -> None:
    types = (*CSV_TYPES, LINKS)
    links = read_table(b"Menu,Link\nMain,Home\n", types)

    built = build_tickets([parse_sheet("links.csv", links, LINKS)], types)

    assert [one.title for one in built.components] == ["Menu link: Home"]
