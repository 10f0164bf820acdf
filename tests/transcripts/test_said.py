"""Messages as texts for a person."""

from __future__ import annotations

import pytest

from agentnb.messages import (
    BaseMessage,
    FunctionCall,
    FunctionExecutionResult,
    MemoryContent,
    MemoryMimeType,
    MemoryQueryEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
)
from agentnb.runlog import RunLog, Said
from agentnb.transcripts import message_text, to_df


def asked(*calls: tuple[str, str]) -> ToolCallRequestEvent:
    return ToolCallRequestEvent(
        content=[FunctionCall(id="c", name=name, arguments=given) for name, given in calls], source="ana"
    )


def gave(*results: tuple[str, str, bool | None]) -> ToolCallExecutionEvent:
    return ToolCallExecutionEvent(
        content=[FunctionExecutionResult(call_id="c", name=n, content=c, is_error=bad) for n, c, bad in results],
        source="ana",
    )


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (asked(("add", '{"a": 1, "b": 2}')), "add(a=1, b=2)"),
        (asked(("find", '{"q": "té", "deep": true, "in": ["x", null]}')), 'find(q="té", deep=true, in=["x", null])'),
        (asked(("now", "{}"), ("now", "")), "now()\nnow()"),
        (asked(("bad", '{"a": ')), 'bad({"a": )'),
        (asked(("bad", "[1]")), "bad([1])"),
        (gave(("add", "3", False)), "add -> 3"),
        (gave(("add", "3", None), ("look", "no such page", True)), "add -> 3\nlook failed: no such page"),
        (
            MemoryQueryEvent(
                content=[
                    MemoryContent(content="likes tea", mime_type=MemoryMimeType.TEXT),
                    MemoryContent(content={"n": 1}, mime_type=MemoryMimeType.JSON),
                ],
                source="ana",
            ),
            'likes tea\n{"n": 1}',
        ),
    ],
)
def test_the_text_of_tool_events_is_no_python_repr(message: BaseMessage, text: str) -> None:
    log = RunLog()
    log.append(Said(message=message))

    assert message_text(message) == text
    assert to_df(log).text.tolist() == to_df(log, "events").text.tolist() == [text]
