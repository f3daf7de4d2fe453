"""What the plugin contributes."""

from __future__ import annotations

from pathlib import Path

from ticketgen import Lazy, Migrations, Plugin, hookimpl
from ticketgen.provides import Commands
from ticketgen_processing.csv_types import CSV_TYPES
from ticketgen_processing.errors import ERRORS
from ticketgen_processing.intake.inspecting import CSV_INSPECTOR
from ticketgen_processing.metrics import METRICS
from ticketgen_processing.models.writers import MODEL_WRITERS
from ticketgen_processing.service import ProcessingService
from ticketgen_processing.settings import ProcessingSettings
from ticketgen_processing.stored import Base
from ticketgen_processing.tasks import CHECK_SHEETS, GENERATE_TICKETS, REGENERATE_TICKET
from ticketgen_processing.writer_health import open_health
from ticketgen_processing.writing import TEMPLATE_WRITER

__all__ = ["ticketgen_plugin"]


@hookimpl
def ticketgen_plugin() -> Plugin:
    """Checks of sheets, generation of tickets, the types of sheets, and three writers."""
    return Plugin(
        name="processing",
        summary="Turns specification sheets into tickets.",
        tasks=(GENERATE_TICKETS, CHECK_SHEETS, REGENERATE_TICKET),
        router=Lazy("ticketgen_processing.api:router"),
        service=ProcessingService,
        provides=(
            *CSV_TYPES,
            CSV_INSPECTOR,
            TEMPLATE_WRITER,
            *MODEL_WRITERS,
            *METRICS,
            Commands(app=Lazy("ticketgen_processing.commands:app")),
        ),
        settings=ProcessingSettings,
        lifespan=open_health,
        errors=ERRORS,
        migrations=Migrations(
            versions=Path(__file__).with_name("versions"), metadata=Base.metadata
        ),
    )
