"""The fourteen kinds of sheet of a Drupal specification, as data."""

from __future__ import annotations

from ticketgen.provides import Column, CsvType, Kind, ParentLink, Reference

__all__ = ["CSV_TYPES"]

_STATUS = (Column(name="X"), Column(name="Dev"), Column(name="QA"))
_ID = Column(name="ID")
_NOTES = Column(name="Notes", aliases=("Note", "Comments", "Settings/notes"))
_MACHINE_NAME = Column(name="Machine name", aliases=("ID name", "System name"))

_IMAGE_STYLES = CsvType(
    name="image_styles",
    label="Image style",
    entity_group="Image styles",
    file_stems=("imagestyles", "imagestyle"),
    title_column="Style name",
    machine_name_column="Machine name",
    columns=(
        _ID,
        Column(name="Style name", aliases=("Image style", "Name"), required=True),
        _MACHINE_NAME,
        *_STATUS,
        _NOTES,
    ),
)

_RESPONSIVE_IMAGE_STYLES = CsvType(
    name="responsive_image_styles",
    label="Responsive image style",
    entity_group="Responsive image styles",
    file_stems=("responsiveimagestyles", "responsiveimagestyle", "responsivestyles"),
    title_column="Responsive style",
    machine_name_column="Machine name",
    columns=(
        _ID,
        Column(name="Responsive style", aliases=("Responsive image style",), required=True),
        _MACHINE_NAME,
        Column(name="Breakpoint Group"),
        Column(name="Breakpoints Used", aliases=("Breakpoints",)),
        Column(name="Fallback Style", aliases=("Fallback image style",)),
        Column(name="Image Style Group(s)", aliases=("Image Style Group", "Image styles")),
        *_STATUS,
        _NOTES,
        Column(name="Fallback machine name"),
    ),
    references=(
        Reference(
            column="Fallback Style",
            targets=("image_styles",),
            machine_name_column="Fallback machine name",
            listed_as="Used by",
        ),
        Reference(
            column="Image Style Group(s)",
            targets=("image_styles",),
            several=True,
            by_group=True,
            listed_as="Used by",
        ),
    ),
)

_BUNDLES = CsvType(
    name="bundles",
    label="Bundle",
    entity_group="Bundles",
    file_stems=("bundles", "bundle", "contenttypes"),
    title_column="Name",
    machine_name_column="Machine name",
    qualifier_column="Type",
    kinds=(
        Kind(value="Vocabulary", entity_group="Vocabularies", aliases=("Taxonomy vocabulary",)),
        Kind(value="Media type", entity_group="Media types", aliases=("Media",)),
        Kind(value="Paragraph type", entity_group="Paragraph types", aliases=("Paragraph",)),
        Kind(
            value="Custom block type",
            entity_group="Custom block types",
            aliases=("Block type", "Content block type"),
        ),
        Kind(value="Content type", entity_group="Content types", aliases=("Node type",)),
    ),
    group_column="Type",
    columns=(
        _ID,
        Column(name="Name", aliases=("Bundle", "Bundle name", "Label"), required=True),
        _MACHINE_NAME,
        *_STATUS,
        Column(name="Description"),
        Column(name="Mod.", aliases=("Moderated",)),
        Column(name="Layout"),
        Column(name="Trns.", aliases=("Translated", "Translatable")),
        Column(name="Migr.", aliases=("Migrated",)),
        Column(name="Meta"),
        Column(name="Sched.", aliases=("Scheduled",)),
        Column(name="Srch.", aliases=("Searchable", "Search")),
        Column(name="Type", aliases=("Bundle type", "Entity type"), required=True),
        Column(name="URL alias pattern", aliases=("URL alias",)),
        Column(name="Settings/notes", aliases=("Notes", "Settings")),
    ),
)

_FIELDS = CsvType(
    name="fields",
    label="Field",
    entity_group="Fields",
    file_stems=("fields", "field"),
    title_column="Field label",
    machine_name_column="Machine name",
    columns=(
        _ID,
        Column(name="Bundle", required=True),
        Column(name="Field label", aliases=("Label", "Field name"), required=True),
        _MACHINE_NAME,
        Column(name="Reused Field", aliases=("Reused",)),
        *_STATUS,
        Column(name="Field group"),
        Column(name="Field type", required=True),
        Column(name="Ref. bundle", aliases=("Referenced bundle", "Reference bundle")),
        Column(name="Req'd", aliases=("Required", "Req.")),
        Column(name="Vals.", aliases=("Values", "Cardinality")),
        Column(name="Form widget", aliases=("Widget",)),
        Column(name="Trns.", aliases=("Translated", "Translatable")),
        Column(name="Settings/notes", aliases=("Notes", "Settings")),
        Column(name="Help text"),
        Column(name="Bundle machine name"),
    ),
    parent=ParentLink(
        csv_type="bundles",
        column="Bundle",
        machine_name_column="Bundle machine name",
        heading="Fields",
    ),
    references=(
        Reference(column="Ref. bundle", targets=("bundles",), several=True, listed_as="Used by"),
    ),
)

_VIEW_MODES = CsvType(
    name="view_modes",
    label="View mode",
    entity_group="View modes",
    file_stems=("customviewmodes", "viewmodes", "viewmode"),
    title_column="View Modes",
    qualifier_column="Entity Type",
    columns=(
        _ID,
        Column(name="View Modes", aliases=("View mode", "Name"), required=True),
        Column(name="Entity Type", required=True),
        *_STATUS,
        Column(name="Entities Used On", aliases=("Used on", "Bundles")),
        _NOTES,
        Column(name="Format"),
    ),
    references=(
        Reference(
            column="Entities Used On",
            targets=("bundles",),
            qualifier_column="Entity Type",
            several=True,
            listed_as="View modes",
        ),
    ),
)

_VIEWS = CsvType(
    name="views",
    label="View",
    entity_group="Views",
    file_stems=("customviews", "views"),
    title_column="View name",
    machine_name_column="Machine name",
    columns=(
        _ID,
        Column(name="View name", aliases=("View", "Name"), required=True),
        _MACHINE_NAME,
        *_STATUS,
        Column(name="Base table", required=True),
        Column(name="Status"),
        Column(name="Description"),
        _NOTES,
    ),
)

_VIEW_DISPLAYS = CsvType(
    name="view_displays",
    label="View display",
    entity_group="View displays",
    file_stems=("customviewsdisplays", "viewsdisplays", "viewdisplays", "displays"),
    title_column="Title",
    machine_name_column="Machine name",
    columns=(
        _ID,
        Column(name="View", aliases=("View name",), required=True),
        Column(name="Title", aliases=("Display title", "Display")),
        _MACHINE_NAME,
        *_STATUS,
        Column(name="Display plugin", aliases=("Plugin", "Display type"), required=True),
        Column(name="Path", aliases=("URL", "Page path")),
        _NOTES,
        Column(name="View ID", aliases=("View machine name",)),
    ),
    parent=ParentLink(
        csv_type="views", column="View", machine_name_column="View ID", heading="Displays"
    ),
)

_USER_ROLES = CsvType(
    name="user_roles",
    label="User role",
    entity_group="User roles",
    file_stems=("userroles", "roles"),
    title_column="Name",
    machine_name_column="Machine name",
    columns=(
        _ID,
        Column(name="Name", aliases=("Role", "Role name"), required=True),
        _MACHINE_NAME,
        *_STATUS,
        _NOTES,
    ),
)

_WORKFLOWS = CsvType(
    name="workflows",
    label="Workflow",
    entity_group="Workflows",
    file_stems=("workflows", "workflow"),
    title_column="Label",
    machine_name_column="Machine name",
    columns=(
        _ID,
        Column(name="Label", aliases=("Workflow", "Name"), required=True),
        _MACHINE_NAME,
        *_STATUS,
        Column(name="Type", aliases=("Workflow type",), required=True),
        _NOTES,
    ),
)

_OF_WORKFLOW = {"csv_type": "workflows", "column": "Workflow"}

_WORKFLOW_STATES = CsvType(
    name="workflow_states",
    label="Workflow state",
    entity_group="Workflow states",
    file_stems=("workflowstates", "states"),
    title_column="Label",
    machine_name_column="Machine name",
    columns=(
        _ID,
        Column(name="Workflow", required=True),
        Column(name="Label", aliases=("State", "Name"), required=True),
        _MACHINE_NAME,
        *_STATUS,
        _NOTES,
    ),
    parent=ParentLink(heading="States", **_OF_WORKFLOW),
)

_WORKFLOW_TRANSITIONS = CsvType(
    name="workflow_transitions",
    label="Workflow transition",
    entity_group="Workflow transitions",
    file_stems=("workflowtransitions", "transitions"),
    title_column="Label",
    machine_name_column="Machine name",
    columns=(
        _ID,
        Column(name="Workflow", required=True),
        Column(name="Label", aliases=("Transition", "Name"), required=True),
        _MACHINE_NAME,
        *_STATUS,
        Column(name="From state", aliases=("From",), required=True),
        Column(name="To state", aliases=("To",), required=True),
        _NOTES,
    ),
    parent=ParentLink(heading="Transitions", **_OF_WORKFLOW),
    unique_rows=False,
    references=(
        Reference(column="From state", targets=("workflow_states",), several=True, siblings=True),
        Reference(column="To state", targets=("workflow_states",), siblings=True),
    ),
)

_MIGRATIONS = CsvType(
    name="migrations",
    label="Migration",
    entity_group="Migrations",
    file_stems=("migrations", "migration"),
    title_column="Migration",
    machine_name_column="Machine name",
    columns=(
        _ID,
        Column(name="Migration", aliases=("Name", "Migration name"), required=True),
        _MACHINE_NAME,
        *_STATUS,
        Column(name="Source", aliases=("Source type",), required=True),
        Column(name="Destination", aliases=("Destination bundle", "Target"), required=True),
        Column(name="Dependencies", aliases=("Depends on",)),
        _NOTES,
    ),
    references=(
        Reference(column="Destination", targets=("bundles",), several=True),
        Reference(column="Dependencies", targets=("migrations",), several=True),
    ),
)

_MIGRATION_MAPPINGS = CsvType(
    name="migration_mappings",
    label="Migration mapping",
    entity_group="Migration mappings",
    file_stems=("migrationmappings", "mappings", "migrationmapping"),
    title_column="Source field",
    columns=(
        _ID,
        Column(name="Migration", required=True),
        Column(name="Source field", aliases=("Source",), required=True),
        Column(name="Destination field", aliases=("Destination", "Target field"), required=True),
        Column(name="Process", aliases=("Process plugin", "Transformation")),
        *_STATUS,
        _NOTES,
    ),
    parent=ParentLink(csv_type="migrations", column="Migration", heading="Field mappings"),
)

_CUSTOM = CsvType(
    name="custom",
    label="Custom component",
    entity_group="Custom components",
    file_stems=("custom", "customcomponents", "customwork"),
    title_column="Name",
    machine_name_column="Machine name",
    group_column="Category",
    columns=(
        _ID,
        Column(name="Name", aliases=("Title", "Component"), required=True),
        _MACHINE_NAME,
        *_STATUS,
        Column(name="Category", aliases=("Group",)),
        Column(name="Description", required=True),
        _NOTES,
    ),
)

CSV_TYPES: tuple[CsvType, ...] = (
    _USER_ROLES,
    _WORKFLOWS,
    _WORKFLOW_STATES,
    _WORKFLOW_TRANSITIONS,
    _IMAGE_STYLES,
    _RESPONSIVE_IMAGE_STYLES,
    _BUNDLES,
    _FIELDS,
    _VIEW_MODES,
    _VIEWS,
    _VIEW_DISPLAYS,
    _MIGRATIONS,
    _MIGRATION_MAPPINGS,
    _CUSTOM,
)
"""In the order in which their tickets are built where no dependency says other."""
