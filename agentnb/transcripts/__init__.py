"""Logs as tables, and as what a notebook's file keeps."""

from __future__ import annotations

from agentnb.transcripts.columns import CALLS, CODE, DELIVERIES, EVENTS, MESSAGES, Column
from agentnb.transcripts.deliveries import Delivery, DeliveryFold, fold_deliveries
from agentnb.transcripts.frames import (
    FRAMES,
    calls_frame,
    code_frame,
    deliveries_frame,
    events_frame,
    message_text,
    messages_frame,
    to_df,
    type_name,
)
from agentnb.transcripts.record import MIME, event_data, from_notebook, from_record, to_record

__all__ = [
    "CALLS",
    "CODE",
    "DELIVERIES",
    "EVENTS",
    "FRAMES",
    "MESSAGES",
    "MIME",
    "Column",
    "Delivery",
    "DeliveryFold",
    "calls_frame",
    "code_frame",
    "deliveries_frame",
    "event_data",
    "events_frame",
    "fold_deliveries",
    "from_notebook",
    "from_record",
    "message_text",
    "messages_frame",
    "to_df",
    "to_record",
    "type_name",
]
