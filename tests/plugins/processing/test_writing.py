"""The template writer: sentences from facts."""

from __future__ import annotations

import pytest

from tests.plugins.processing.sheets import SITE, build, component, sheets, specification
from ticketgen.provides.component import Component
from ticketgen.provides.writer import Brief, SiteContext, WrittenText
from ticketgen_processing.building.components import build_tickets
from ticketgen_processing.csv_types import CSV_TYPES
from ticketgen_processing.writing import TEMPLATE_WRITER, write_from_template


def written(one: Component) -> str:
    text = write_from_template(one, SITE)
    return "\n".join([text.user_story, *text.success_criteria])


def test_a_bundle_tells_its_fields_what_is_required_and_what_it_refers_to() -> None:
    built = build(
        bundles="Name,Machine name,Type,Description,Mod.,Srch.,URL alias pattern\n"
        "Article,article,Content type,News of the day,y,n,news/[node:title]\n"
        "Topic,topic,Vocabulary,,,,-\n",
        fields="Bundle,Field label,Field type,Ref. bundle,Req'd,Vals.\n"
        "Article (Content type),Intro,Text,,y,1\n"
        "Article (Content type),Topics,Reference,Topic (Vocabulary),n,*\n",
    )

    text = written(component(built, "bundles:content-type:article"))

    assert text.splitlines() == [
        "As a content editor, I want the content type “Article” for this purpose: "
        "“News of the day”",
        "The content type “Article” exists with the machine name article.",
        "It has 2 fields: “Intro” as Text; “Topics” as Reference.",
        "“Intro” is required; no other field is.",
        "Any number of values can be entered in “Topics”.",
        "References lead to: “Topics” → Topic (Vocabulary).",
        "New items get an address by the pattern news/[node:title]",
        "It is moderated.",
    ]


def test_a_bundle_of_many_fields_counts_what_would_be_a_long_list() -> None:
    rows = "".join(
        f"A (Content type),F{number},field_{number},List (text),T{number} (Vocabulary),y,3,y,"
        f"G,Options: {number}0 and {number}1. Sort them.,Help.\n"
        for number in range(1, 11)
    )
    built = build(
        bundles="Name,Machine name,Type,Settings/notes\n"
        "A,a,Content type,Only admins can add it. Colours TBD. E.g. red\n",
        fields="Bundle,Field label,Machine name,Field type,Ref. bundle,Req'd,Vals.,Reused Field,"
        f"Field group,Settings/notes,Help text\n{rows}A (Content type),Z,z,Text,,n,1,n,,,\n",
    )

    text = written(component(built, "bundles:content-type:a"))

    assert text.splitlines()[2:7] == [
        "It has the 11 fields listed, with the labels, machine names and types given there.",
        "The 10 fields with “y” under “Req'd” are required; no other field is.",
        "At most 3 values can be entered in the 10 fields with “3” under “Vals.”.",
        "Each of the 10 reference fields offers what “Ref. bundle” names, and nothing else.",
        "“F1” offers: 10 and 11.",
    ]
    assert text.splitlines()[-7:] == [
        "The 10 fields with “y” under “Reused Field” reuse fields that other bundles have.",
        "Those with a “Field group” stand under “G” in the form.",
        "The settings and notes of the 10 fields with an entry under “Settings/notes” are "
        "followed.",
        "The help texts are shown in the form for the 10 fields with an entry under “Help text”.",
        "As noted: Only admins can add it.",
        "To be settled: Colours TBD.",
        "As noted: E.g. red.",
    ]


def test_a_bundle_nobody_describes_is_wanted_by_those_that_refer_to_it() -> None:
    built = build(
        bundles="Name,Machine name,Type\nJob,job,Content type\nKind,kind,Vocabulary\n",
        fields="Bundle,Field label,Field type,Ref. bundle\n"
        "Job (Content type),K,R,Kind (Vocabulary)\n",
    )

    text = written(component(built, "bundles:vocabulary:kind"))

    assert text.splitlines() == [
        "As a content editor, I want the vocabulary “Kind”, so that the content type “Job (job)” "
        "can refer to it.",
        "The vocabulary “Kind” exists with the machine name kind.",
        "It gets no fields of its own; the specification lists none.",
    ]


def test_a_workflow_tells_every_allowed_change_of_state_and_who_may_make_it() -> None:
    built = build(
        workflows="Label,Machine name,Type\nMain,main,Content moderation\n",
        workflow_states="Workflow,Label,Machine name\nMain,Draft,draft\nMain,Live,live\n",
        workflow_transitions="Workflow,Label,Machine name,From state,To state,Notes\n"
        "Main,Publish,publish,Draft,Live,Editors only\nMain,Publish,publish,Live,Live,"
        "Editors only\n"
        "Main,Revoke,revoke,Live,Draft,\n",
    )

    text = written(component(built, "workflows:main"))

    assert text.splitlines() == [
        "As a content editor, I want to take content through the workflow “Main” with the states "
        "“Draft” and “Live”.",
        "The workflow “Main” exists with the machine name main and the type Content moderation.",
        "It has 2 states: “Draft” (draft) and “Live” (live).",
        "“Publish” (publish) leads from “Draft” and “Live” to “Live”. Editors only.",
        "“Revoke” (revoke) leads from “Live” to “Draft”.",
        "There is no other transition.",
    ]


def test_images_tell_their_effects_breakpoints_and_fallback() -> None:
    built = build(
        image_styles='Style name,Machine name,Notes\nCard,card,"Crop to 4x3, convert to WebP"\n'
        "Plain,plain,\n",
        responsive_image_styles="Responsive style,Machine name,Breakpoint Group,Breakpoints Used,"
        'Fallback Style,Image Style Group(s),Notes\nTeaser,teaser,Theme,"Mobile (1x, 2x), Desk",'
        'Plain,Card,"Card on mobile, e.g. phones"\n',
    )

    card = written(component(built, "image_styles:card"))
    plain = written(component(built, "image_styles:plain"))
    teaser = written(component(built, "responsive_image_styles:teaser"))

    assert card.splitlines() == [
        "As a site builder, I want the image style “Card”, so that the responsive image style "
        "“Teaser (teaser)” can use it.",
        "The image style “Card” exists with the machine name card.",
        "It is set to: Crop to 4x3.",
        "It is set to: convert to WebP.",
    ]
    assert plain.splitlines()[-1].endswith("the specification names none.")
    assert teaser.splitlines()[2:] == [
        "It uses the breakpoint group Theme.",
        "It covers the breakpoints Mobile (1x, 2x) and Desk.",
        "Its breakpoints are mapped to the image styles of the group “Card”.",
        "Its fallback is the image style “Plain”.",
        "As noted: Card on mobile, e.g. phones.",
    ]


def test_a_role_tells_what_it_allows_and_one_of_drupal_s_own_that_it_stays() -> None:
    built = build(
        user_roles="Name,Machine name,Notes\nEditor,editor,Edits everything. Publishes nothing.\n"
        "Administrator,administrator,\n"
    )

    assert written(component(built, "user_roles:editor")).splitlines()[2:] == [
        "A user with only this role: Edits everything.",
        "A user with only this role: Publishes nothing.",
    ]
    assert "stays as Drupal brings it" in written(component(built, "user_roles:administrator"))


def test_a_view_tells_what_each_display_shows_and_where() -> None:
    built = build(
        views="View name,Machine name,Base table,Status\nStories,stories,Content,Enabled\n",
        view_displays="View,Title,Machine name,Display plugin,Path,Notes\n"
        "Stories,Latest,latest,Page,/stories,Two newest. Sorted by date\n",
    )

    assert written(component(built, "views:stories")).splitlines() == [
        "As a user of the site, I want the view “Stories”.",
        "The view “Stories” exists with the machine name stories.",
        "Its base table is Content and its status is Enabled.",
        "The Page display “Latest” exists with the machine name latest at the path /stories.",
        "“Latest”: Two newest.",
        "“Latest”: Sorted by date.",
    ]


def test_a_view_mode_tells_what_it_is_used_on() -> None:
    built = build(
        bundles="Name,Machine name,Type\nImage,image,Media type\n",
        view_modes="View Modes,Entity Type,Entities Used On,Format\nCard,Media type,Image,Teaser\n"
        "Full,Media type,All but icons,\nMini,Media type,,\n",
    )

    card = written(component(built, "view_modes:media-type:card"))
    full = written(component(built, "view_modes:media-type:full"))
    mini = written(component(built, "view_modes:media-type:mini"))

    assert card.splitlines() == [
        "As a site builder, I want the view mode “Card” on “Image” for the entity type "
        "“Media type”.",
        "The view mode “Card” exists for the entity type “Media type”.",
        "It is enabled on “Image”, and its display there is configured.",
        "Its format is Teaser.",
    ]
    assert "It is enabled on: All but icons." in full
    assert "the specification names no place." in mini


def test_migrations_and_custom_rows_have_sentences_too() -> None:
    built = build(
        bundles="Name,Machine name,Type\nArticle,article,Content type\n",
        migrations="Migration,Machine name,Source,Destination\n"
        "Old news,old_news,the old CMS,Article (Content type)\n",
        migration_mappings="Migration,Source field,Destination field\nOld news,headline,title\n",
        custom="Name,Category,Description\nCookie banner,Front end,Asks before it loads\n",
    )

    migration = written(component(built, "migrations:old_news"))
    custom = written(component(built, "custom:cookie-banner"))

    assert "brings the old CMS over to Article (Content type)." in migration
    assert "1 field arrives as mapped: headline → title." in migration
    assert "Asks before it loads." in custom
    assert component(built, "custom:cookie-banner").entity_group == "Front end"


def test_notes_as_long_as_an_essay_stay_in_their_cell() -> None:
    built = build(user_roles=f"Name,Machine name,Notes\nEditor,editor,{'It may. ' * 40}\n")

    text = written(component(built, "user_roles:editor"))

    assert "Everything under “Notes” is done." in text
    assert "It may" not in text


def test_a_component_nobody_defined_asks_for_a_decision() -> None:
    built = build(
        views="View name,Machine name,Base table\nOther,other,Content\n",
        view_displays="View,Title,Display plugin\nNowhere,List,Block\n",
    )

    text = written(component(built, "views:nowhere"))

    assert "It is settled whether “Nowhere” is a view of its own" in text
    assert "the specification's 1 row under “Displays”" in text


@pytest.mark.parametrize("name", ["sample", "real"])
def test_every_ticket_of_a_specification_gets_a_story_and_criteria_of_its_own(name: str) -> None:
    built = build_tickets(sheets(specification(name)), CSV_TYPES)

    texts: dict[WrittenText, str] = {}
    for one in built.components:
        text = write_from_template(one, SITE)
        assert one.name in text.user_story
        assert text.user_story.startswith("As ")
        assert len(text.success_criteria) >= 2, one.key
        assert all(line.strip() == line and line for line in text.success_criteria)
        assert "{" not in text.user_story
        texts.setdefault(text, one.key)

    assert len(texts) == len(built.components)


async def test_the_writer_writes_what_the_function_writes() -> None:
    built = build(user_roles="Name,Machine name,Notes\nEditor,editor,Edits\n")
    role = built.components[0]

    async with TEMPLATE_WRITER.open(None) as opened:
        text = await opened.write(Brief(component=role, site=SiteContext(project_name="")))

    assert TEMPLATE_WRITER.name == "template"
    assert text == write_from_template(role, SiteContext(project_name=""))
