"""The template writer: sentences from facts."""

from __future__ import annotations

import pytest

from tests.plugins.processing.sheets import SITE, build, component, sheets, specification
from ticketgen.provides.component import Component
from ticketgen.provides.writer import Brief, SiteContext, WrittenText
from ticketgen_processing.components import build_tickets
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

    assert "Tidemark Museums" in text
    assert "From the specification: News of the day." in text
    assert "exists with the machine name article." in text
    assert "It has 2 fields as listed: Intro and Topics." in text
    assert "cannot be saved without Intro." in text
    assert "Any number of values can be entered for Topics." in text
    assert "Topics can refer to: Topic (Vocabulary)." in text
    assert "news/[node:title]" in text
    assert "It is moderated." in text
    assert "site search" not in text
    assert "Vocabulary: Topic (topic) is in place first." in text


def test_a_workflow_tells_every_allowed_change_of_state() -> None:
    built = build(
        workflows="Label,Machine name,Type\nMain,main,Content moderation\n",
        workflow_states="Workflow,Label,Machine name\nMain,Draft,draft\nMain,Live,live\n",
        workflow_transitions="Workflow,Label,From state,To state\n"
        "Main,Publish,Draft,Live\nMain,Publish,Live,Live\nMain,Revoke,Live,Draft\n",
    )

    text = written(component(built, "workflows:main"))

    assert "It has 2 states: Draft and Live." in text
    assert "“Publish” is offered for: Draft → Live; Live → Live." in text
    assert "“Revoke” is offered for: Live → Draft." in text


def test_a_view_tells_what_each_display_shows() -> None:
    built = build(
        views="View name,Machine name,Base table\nStories,stories,Content\n",
        view_displays="View,Title,Display plugin,Notes\nStories,Latest,Block,Two newest\n",
    )

    assert "The Block “Latest”: Two newest." in written(component(built, "views:stories"))


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

    assert "the old CMS" in migration
    assert "headline → title" in migration
    assert "Asks before it loads." in custom
    assert component(built, "custom:cookie-banner").entity_group == "Front end"


def test_a_component_nobody_defined_asks_for_a_decision() -> None:
    built = build(
        views="View name,Machine name,Base table\nOther,other,Content\n",
        view_displays="View,Title,Display plugin\nNowhere,List,Block\n",
    )

    text = written(component(built, "views:nowhere"))

    assert "It is decided whether “Nowhere” is a view of its own" in text
    assert "(displays: 1)" in text


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
    assert "the site" in text.user_story
