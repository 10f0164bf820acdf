"""Logs as tables, and as what a notebook's file keeps."""

from __future__ import annotations

from agentnb.transcripts import plots
from agentnb.transcripts.accessor import AgentsAccessor
from agentnb.transcripts.archive import export_run, import_run
from agentnb.transcripts.calls import calls_frame, code_frame, tools_frame
from agentnb.transcripts.columns import (
    CALLS,
    CHOICES,
    CODE,
    DELIVERIES,
    EVENTS,
    EXPENDABLE,
    HITS,
    INPUTS,
    MESSAGES,
    RUNS,
    TABLES,
    TOOLS,
    TURNS,
    Column,
    Table,
)
from agentnb.transcripts.deliveries import Delivery, DeliveryFold, fold_deliveries
from agentnb.transcripts.diff import DIFF, RunDiff, diff
from agentnb.transcripts.export import Finding, scan
from agentnb.transcripts.frames import FRAMES, deliveries_frame, to_df
from agentnb.transcripts.inputs import inputs_frame
from agentnb.transcripts.library import find_run, runs
from agentnb.transcripts.messages import events_frame, messages_frame
from agentnb.transcripts.provenance import Provenance, provenance
from agentnb.transcripts.record import MIME, event_data, from_notebook, from_record, to_record
from agentnb.transcripts.retention import Freed, delete_runs, keep_runs
from agentnb.transcripts.rows import declared_columns
from agentnb.transcripts.said import message_text, type_name
from agentnb.transcripts.search import search
from agentnb.transcripts.tables import load, save
from agentnb.transcripts.turns import choices_frame, turns_frame

__all__ = [
    "CALLS",
    "CHOICES",
    "CODE",
    "DELIVERIES",
    "DIFF",
    "EVENTS",
    "EXPENDABLE",
    "FRAMES",
    "HITS",
    "INPUTS",
    "MESSAGES",
    "MIME",
    "RUNS",
    "TABLES",
    "TOOLS",
    "TURNS",
    "AgentsAccessor",
    "Column",
    "Delivery",
    "DeliveryFold",
    "Finding",
    "Freed",
    "Provenance",
    "RunDiff",
    "Table",
    "calls_frame",
    "choices_frame",
    "code_frame",
    "declared_columns",
    "delete_runs",
    "deliveries_frame",
    "diff",
    "event_data",
    "events_frame",
    "export_run",
    "find_run",
    "fold_deliveries",
    "from_notebook",
    "from_record",
    "import_run",
    "inputs_frame",
    "keep_runs",
    "load",
    "message_text",
    "messages_frame",
    "plots",
    "provenance",
    "runs",
    "save",
    "scan",
    "search",
    "to_df",
    "to_record",
    "tools_frame",
    "turns_frame",
    "type_name",
]
