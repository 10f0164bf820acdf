"""One chat message as an item."""

from __future__ import annotations

import json

from agentnb.messages import (
    BaseChatMessage,
    HandoffMessage,
    MultiModalMessage,
    StopMessage,
    StructuredMessage,
    UnknownMessage,
)
from agentnb.transcripts import message_text
from agentnb.ui.markup import plain_text
from agentnb.ui.ops import Item
from agentnb.ui.outputs import clip_line


def chat_item(message: BaseChatMessage) -> Item:
    """Return what a chat message shows, without its id and time; `label` may be empty."""
    text = plain_text(message_text(message))
    label = [clip_line(plain_text(message.metadata.get("decided_by", "")), 120), _tokens(message)]
    item: Item = {"kind": "message", "source": plain_text(message.source), "text": text, "format": "markdown"}
    match message:
        case HandoffMessage():
            label.insert(0, f"hands over to {plain_text(message.target)}")
        case StopMessage():
            label.insert(0, "ends the conversation")
        case MultiModalMessage():
            item["parts"] = [
                {"mime": "image/png", "data": part.to_base64()} for part in message.content if not isinstance(part, str)
            ]
            item["text"] = plain_text("\n".join(part for part in message.content if isinstance(part, str)))
        case StructuredMessage() if message.format_string is None:
            item |= {"format": "code", "language": "json", "text": _pretty(text)}
        case UnknownMessage():
            item["format"] = "plain"
    if not item["text"].strip() and not item.get("parts"):
        label.append("says nothing")
    item["label"] = " · ".join(filter(None, label))
    return item


def _tokens(message: BaseChatMessage) -> str:
    usage = message.models_usage
    count = usage.prompt_tokens + usage.completion_tokens if usage else 0
    return f"{count:,} tokens" if count else ""


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except ValueError:
        return text
