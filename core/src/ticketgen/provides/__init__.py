"""Typed values a plugin may contribute through `Plugin.provides`, and what they work with."""

from __future__ import annotations

from ticketgen.provides.adf_check import AdfCheck
from ticketgen.provides.commands import Commands
from ticketgen.provides.component import (
    Component,
    ComponentLink,
    ComponentList,
    ComponentTable,
    SheetRow,
    Source,
)
from ticketgen.provides.csv_type import Column, CsvType, Kind, ParentLink, Reference
from ticketgen.provides.export_target import (
    CompletedExport,
    ExportContext,
    ExportedFile,
    ExportTarget,
    ExportTicket,
    PreparedExport,
    Sending,
    SentTicket,
)
from ticketgen.provides.health_check import HealthCheck, HealthContext
from ticketgen.provides.metric import Metric
from ticketgen.provides.rehearsal import (
    ApiCall,
    OpenRehearsal,
    Rehearsal,
    RehearsalContext,
    RehearsalReport,
)
from ticketgen.provides.session_retention import SessionRetention
from ticketgen.provides.shortcut import Shortcut
from ticketgen.provides.upload_inspector import InspectedSheet, Inspection, UploadInspector
from ticketgen.provides.writer import (
    Brief,
    OpenWriter,
    SiteContext,
    Usage,
    Writer,
    WriterHealth,
    WritingEstimate,
    WrittenText,
    plain_writer,
)

__all__ = [
    "AdfCheck",
    "ApiCall",
    "Brief",
    "Column",
    "Commands",
    "CompletedExport",
    "Component",
    "ComponentLink",
    "ComponentList",
    "ComponentTable",
    "CsvType",
    "ExportContext",
    "ExportTarget",
    "ExportTicket",
    "ExportedFile",
    "HealthCheck",
    "HealthContext",
    "InspectedSheet",
    "Inspection",
    "Kind",
    "Metric",
    "OpenRehearsal",
    "OpenWriter",
    "ParentLink",
    "PreparedExport",
    "Reference",
    "Rehearsal",
    "RehearsalContext",
    "RehearsalReport",
    "Sending",
    "SentTicket",
    "SessionRetention",
    "SheetRow",
    "Shortcut",
    "SiteContext",
    "Source",
    "UploadInspector",
    "Usage",
    "Writer",
    "WriterHealth",
    "WritingEstimate",
    "WrittenText",
    "plain_writer",
]
