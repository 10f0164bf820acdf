"""A memory that is a list."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as pil

from agentnb.core import ComponentModel
from agentnb.memory import ListMemory, Memory, MemoryContent, MemoryMimeType
from agentnb.messages import Image, LLMMessage, SystemMessage, UserMessage
from agentnb.model_context import (
    BufferedChatCompletionContext,
    ChatCompletionContext,
    TokenLimitedChatCompletionContext,
    UnboundedChatCompletionContext,
)
from agentnb.models import ScriptedChatCompletionClient
from tests.strategies import json_values, names, texts


def text(content: str) -> MemoryContent:
    return MemoryContent(content=content, mime_type=MemoryMimeType.TEXT)


def user(content: str) -> LLMMessage:
    return UserMessage(content=content, source="u")


async def blocks(context: ChatCompletionContext) -> list[str]:
    return [m.content for m in await context.get_messages() if isinstance(m, SystemMessage)]


async def test_facts_appear_as_one_system_message_with_a_heading_and_numbers() -> None:
    memory = ListMemory(memory_contents=[text("tea, not coffee"), text("metric units")])
    context = UnboundedChatCompletionContext([user("hi")])

    updated = await memory.update_context(context)

    (_, block) = await context.get_messages()
    assert isinstance(block, SystemMessage)
    heading, *lines = block.content.splitlines()
    assert heading.endswith(":")
    assert lines == ["1. tea, not coffee", "2. metric units"]
    assert [c.content for c in updated.memories.results] == ["tea, not coffee", "metric units"]


async def test_contents_of_every_kind_are_readable_in_the_message() -> None:
    memory = ListMemory()
    await memory.add(MemoryContent(content={"drink": "tea"}, mime_type=MemoryMimeType.JSON))
    await memory.add(MemoryContent(content=b"\xff", mime_type=MemoryMimeType.BINARY))
    await memory.add(MemoryContent(content=Image(pil.new("RGB", (1, 1))), mime_type=MemoryMimeType.IMAGE))
    context = UnboundedChatCompletionContext()

    await memory.update_context(context)

    (block,) = await blocks(context)
    assert block.splitlines()[1:] == ['1. {"drink": "tea"}', "2. <1 bytes of application/octet-stream>", "3. <image>"]


async def test_an_empty_memory_changes_nothing() -> None:
    context = UnboundedChatCompletionContext([user("hi")])

    updated = await ListMemory().update_context(context)

    assert await context.get_messages() == [user("hi")]
    assert updated.memories.results == []


async def test_memories_do_not_pile_up_turn_after_turn() -> None:
    memory, context = ListMemory(memory_contents=[text("a")]), UnboundedChatCompletionContext()

    for turn in range(5):
        await context.add_message(user(str(turn)))
        await memory.update_context(context)

    assert await blocks(context) == [(await blocks(context))[0]]
    # An unchanged block stays where it is, so that a provider's cache of the beginning holds.
    assert [m.type for m in await context.get_messages()] == ["UserMessage", "SystemMessage", *["UserMessage"] * 4]


async def test_what_is_new_stands_in_the_place_of_the_earlier_block() -> None:
    memory, context = ListMemory(memory_contents=[text("a")]), UnboundedChatCompletionContext()
    await memory.update_context(context)
    await context.add_message(user("hi"))
    await memory.add(text("b"))

    await memory.update_context(context)

    assert [block.splitlines()[1:] for block in await blocks(context)] == [["1. a", "2. b"]]
    assert (await context.get_messages())[1:] == [user("hi")]


async def test_what_was_forgotten_is_taken_out_of_the_context() -> None:
    memory, context = ListMemory(memory_contents=[text("a")]), UnboundedChatCompletionContext()
    await memory.update_context(context)

    await memory.clear()
    await memory.update_context(context)

    assert await context.get_messages() == []


async def test_a_block_that_scrolled_out_of_sight_comes_back_at_the_end_and_is_kept_once() -> None:
    memory, context = ListMemory(memory_contents=[text("a")]), BufferedChatCompletionContext(3)

    for turn in range(7):
        await context.add_message(user(str(turn)))
        await memory.update_context(context)
        assert len(await blocks(context)) == 1

    stored = (await context.save_state())["messages"]
    assert [m["type"] for m in stored].count("SystemMessage") == 1


async def test_a_context_that_was_cleared_gets_the_block_again() -> None:
    memory, context = ListMemory(memory_contents=[text("a")]), UnboundedChatCompletionContext()
    await memory.update_context(context)

    await context.clear()
    await memory.update_context(context)

    assert len(await blocks(context)) == 1


async def test_a_context_loaded_from_its_state_gets_no_second_block() -> None:
    memory, context = ListMemory(memory_contents=[text("a")]), UnboundedChatCompletionContext()
    await memory.update_context(context)
    state = json.loads(json.dumps(await context.save_state()))

    resumed = UnboundedChatCompletionContext()
    await resumed.load_state(state)
    other = ListMemory(memory_contents=[text("a")])
    await other.update_context(resumed)
    await other.add(text("b"))
    await other.update_context(resumed)
    await context.load_state(state)
    await memory.add(text("c"))
    await memory.update_context(context)

    assert [block.splitlines()[1:] for block in await blocks(resumed)] == [["1. a", "2. b"]]
    assert [block.splitlines()[1:] for block in await blocks(context)] == [["1. a", "2. c"]]


async def test_one_memory_serves_several_contexts_and_several_memories_one_context() -> None:
    shared, own = ListMemory(memory_contents=[text("a")]), ListMemory(memory_contents=[text("b")])
    first, second = UnboundedChatCompletionContext(), UnboundedChatCompletionContext()

    for _ in range(2):
        await shared.update_context(first)
        await shared.update_context(second)
        await own.update_context(first)
        await shared.add(text("more"))

    assert [len(await blocks(c)) for c in (first, second)] == [2, 1]


async def test_a_block_where_no_room_is_left_is_kept_once() -> None:
    context = TokenLimitedChatCompletionContext(ScriptedChatCompletionClient(["x"]), token_limit=1)
    memory = ListMemory(memory_contents=[text("a b c")])

    for _ in range(3):
        await memory.update_context(context)

    assert await context.get_messages() == []
    assert len((await context.save_state())["messages"]) == 1


async def test_every_question_is_answered_with_everything_in_order() -> None:
    memory = ListMemory()
    for content in "abc":
        await memory.add(text(content))

    found = await memory.query("anything", k=1)
    found.results.clear()

    assert [c.content for c in (await memory.query(text("x"))).results] == ["a", "b", "c"]


async def test_the_list_is_open_to_reading_and_setting() -> None:
    given_ = [text("a")]
    memory = ListMemory("tastes", given_)
    await memory.add(text("b"))

    assert (memory.name, [c.content for c in memory.content]) == ("tastes", ["a", "b"])
    assert len(given_) == 1
    memory.content = [text("c")]
    assert [c.content for c in (await memory.query("")).results] == ["c"]
    assert ListMemory().name == "default_list_memory"


@pytest.mark.parametrize("content", ["text", None, {"content": "text"}])
async def test_what_is_no_content_is_refused_and_the_right_way_shown(content: Any) -> None:
    with pytest.raises(ValueError, match="write MemoryContent"):
        await ListMemory().add(content)


contents = st.one_of(
    st.builds(MemoryContent, content=texts.map(lambda t: t.encode("utf-8", "replace").decode()), mime_type=names),
    st.builds(MemoryContent, content=st.binary(), mime_type=st.just(MemoryMimeType.BINARY)),
    st.builds(
        MemoryContent,
        content=st.dictionaries(names, json_values.filter(lambda v: "\\ud" not in ascii(v)), max_size=2),
        mime_type=st.just(MemoryMimeType.JSON),
        metadata=st.none() | st.dictionaries(names, st.integers(), max_size=1),
    ),
)


@given(st.none() | names, st.lists(contents, max_size=3))
def test_a_memory_comes_back_from_json_with_what_it_holds(name: str | None, held: list[MemoryContent]) -> None:
    memory = ListMemory(name, held)

    data = json.loads(memory.dump_component().model_dump_json(exclude_none=True))
    again = Memory.load_component(data)

    assert isinstance(again, ListMemory)
    assert again.name == memory.name
    # A mime type comes back as text.
    assert [c.model_dump() for c in again.content] == [c.model_dump() for c in held]


async def test_what_was_added_and_a_picture_are_written_too() -> None:
    memory = ListMemory("seen")
    picture = Image(pil.new("RGB", (2, 1), "red"))
    await memory.add(MemoryContent(content=picture, mime_type="image/png"))

    written = memory.dump_component()
    again = ListMemory.load_component(ComponentModel.model_validate_json(written.model_dump_json()))

    assert (written.provider, written.component_type, written.version) == ("agentnb.memory.ListMemory", "memory", 1)
    assert set(written.config) == {"name", "memory_contents"}
    assert isinstance(image := again.content[0].content, Image)
    assert image.to_base64() == picture.to_base64()


def test_autogens_json_is_read() -> None:
    config = {"name": "old", "memory_contents": [{"content": "tea", "mime_type": "text/plain", "metadata": None}]}

    memory = Memory.load_component(
        {"provider": "autogen_core.memory.ListMemory", "component_type": "memory", "version": 1, "config": config}
    )

    assert isinstance(memory, ListMemory)
    assert [c.content for c in memory.content] == ["tea"]


async def test_a_copy_remembers_the_same_and_goes_its_own_way() -> None:
    memory, context = ListMemory(memory_contents=[text("a")]), UnboundedChatCompletionContext()
    await memory.update_context(context)

    for twin in (copy.deepcopy(memory), pickle.loads(pickle.dumps(memory))):
        await twin.add(text("b"))
        assert [c.content for c in twin.content] == ["a", "b"]

    assert [c.content for c in memory.content] == ["a"]
