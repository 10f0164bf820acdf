"""What a memory is, and what its use leaves in the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image as pil

from agentnb.core import CancellationToken
from agentnb.memory import (
    ListMemory,
    Memory,
    MemoryContent,
    MemoryMimeType,
    MemoryQueryResult,
    UpdateContextResult,
)
from agentnb.messages import Image, SystemMessage
from agentnb.model_context import ChatCompletionContext, UnboundedChatCompletionContext
from agentnb.runlog import MemoryFinished, MemoryStarted, RunLog, scope


def text(content: str) -> MemoryContent:
    return MemoryContent(content=content, mime_type=MemoryMimeType.TEXT)


class Keyword(Memory):
    """A user's memory, written as AutoGen's documentation asks: finds contents that hold a word."""

    def __init__(self) -> None:
        self.contents: list[MemoryContent] = []

    async def update_context(self, model_context: ChatCompletionContext) -> UpdateContextResult:
        last = (await model_context.get_messages())[-1]
        found = await self.query(str(last.content))
        await model_context.add_message(SystemMessage(content=f"{len(found.results)} found"))
        return UpdateContextResult(memories=found)

    async def query(
        self, query: str | MemoryContent, cancellation_token: CancellationToken | None = None, **kwargs: Any
    ) -> MemoryQueryResult:
        wanted = str(query.content if isinstance(query, MemoryContent) else query)
        if not wanted:
            raise LookupError("nothing was asked for")
        return MemoryQueryResult(results=[c for c in self.contents if wanted in str(c.content)][: kwargs.get("k")])

    async def add(self, content: MemoryContent, cancellation_token: CancellationToken | None = None) -> None:
        self.contents.append(content)

    async def clear(self) -> None:
        self.contents.clear()

    async def close(self) -> None: ...


class Louder(ListMemory):
    """Calls its base class."""

    async def add(self, content: MemoryContent, cancellation_token: CancellationToken | None = None) -> None:
        await super().add(text(str(content.content).upper()), cancellation_token)


def facts(log: RunLog) -> list[tuple[Any, ...]]:
    return [
        (e.body.memory, e.body.action, e.body.text if isinstance(e.body, MemoryStarted) else e.body.found)
        for e in log
        if isinstance(e.body, MemoryStarted | MemoryFinished)
    ]


@pytest.mark.parametrize("member", ["update_context", "query", "add", "clear", "close"])
def test_a_memory_that_lacks_a_member_cannot_be_made(member: str) -> None:
    lacking = type("Lacking", (Keyword,), {member: getattr(Memory, member)})

    with pytest.raises(TypeError, match=member):
        lacking()


async def test_a_users_memory_works_outside_of_a_run_as_written() -> None:
    memory = Keyword()
    await memory.add(text("red apples"), CancellationToken())
    await memory.add(text("green apples"))

    assert [c.content for c in (await memory.query("red")).results] == ["red apples"]
    assert len((await memory.query(text("apples"), k=1)).results) == 1


async def test_what_a_users_memory_does_is_in_the_log() -> None:
    log, memory, context = RunLog(), Keyword(), UnboundedChatCompletionContext([SystemMessage(content="red")])

    with scope(log, None, "ana"):
        await memory.add(content=text("red apples"))
        await memory.update_context(context)
        await memory.query("blue")
        await memory.clear()

    assert facts(log) == [
        ("Keyword", "add", "red apples"),
        ("Keyword", "add", 0),
        ("Keyword", "update_context", ""),  # its own query is a part of it
        ("Keyword", "update_context", 1),
        ("Keyword", "query", "blue"),
        ("Keyword", "query", 0),
        ("Keyword", "clear", ""),
        ("Keyword", "clear", 0),
    ]
    started, finished = log.events[:2]
    assert (finished.parent, started.source) == (started.id, "ana")
    assert finished.took is not None


async def test_a_call_of_the_base_class_is_no_use_of_its_own_and_the_log_has_the_memorys_name() -> None:
    log = RunLog()

    with scope(log, None, "ana"):
        await Louder("tastes").add(text("tea"))

    assert facts(log) == [("tastes", "add", "tea"), ("tastes", "add", 0)]


async def test_a_memory_that_fails_leaves_its_error_in_the_log() -> None:
    log = RunLog()

    with pytest.raises(LookupError), scope(log, None, "ana"):
        await Keyword().query("")

    (finished,) = [e.body for e in log if isinstance(e.body, MemoryFinished)]
    assert finished.error == "LookupError: nothing was asked for"


async def test_what_is_remembered_is_in_the_log_with_its_kind_and_what_is_known_of_it(tmp_path: Path) -> None:
    log = RunLog()
    given = [
        text("plain"),
        MemoryContent(content="# head", mime_type=MemoryMimeType.MARKDOWN),
        MemoryContent(content="fact", mime_type=MemoryMimeType.TEXT, metadata={"page": 3, "of": None}),
        MemoryContent(content={"a": [1, None]}, mime_type=MemoryMimeType.JSON),
        MemoryContent(content=b"\x00" * 1_000, mime_type=MemoryMimeType.BINARY),
        MemoryContent(content=Image.from_pil(pil.new("RGB", (3, 2))), mime_type=MemoryMimeType.IMAGE),
    ]

    with scope(log, None, "ana"):
        for content in given:
            await ListMemory().add(cancellation_token=None, content=content)

    begun = [
        event.body for event in RunLog.open(log.save(tmp_path / "alone.jsonl")) if isinstance(event.body, MemoryStarted)
    ]
    assert begun[0].content is None
    assert begun[4].text == "<1000 bytes of application/octet-stream>"
    assert [body.learnt.model_dump(mode="json") for body in begun] == [one.model_dump(mode="json") for one in given]


async def test_what_no_json_can_hold_is_remembered_all_the_same(tmp_path: Path) -> None:
    log, memory, ring = RunLog(), ListMemory(), dict[str, Any]()
    ring["itself"] = ring

    with scope(log, None, "ana"):
        for known in (ring, {"raw": b"\xff", "when": object(), "share": float("nan")}):
            await memory.add(MemoryContent(content="tea", mime_type=MemoryMimeType.TEXT, metadata=known))

    assert len(memory.content) == 2
    assert [event.body.learnt.content for event in log if isinstance(event.body, MemoryStarted)] == ["tea", "tea"]
    assert len(RunLog.open(log.save(tmp_path / "alone.jsonl"))) == 4
