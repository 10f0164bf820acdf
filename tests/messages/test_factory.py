"""From a type tag to the class of a message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

import pytest
from pydantic import BaseModel, TypeAdapter, computed_field

from agentnb.messages import (
    AgentEvent,
    BaseTextChatMessage,
    ChatMessage,
    MessageFactory,
    SelectorEvent,
    StructuredMessage,
    TextMessage,
    ThoughtEvent,
    UnknownMessage,
    UserMessage,
    read_message,
)
from agentnb.runlog import Event, RunLog, Said


class Poem(BaseTextChatMessage):
    lines: int = 3
    type: Literal["Poem"] = "Poem"


class Weather(BaseModel):
    city: str


@pytest.mark.parametrize("message", [TextMessage(content="x", source="a"), ThoughtEvent(content="x", source="a")])
def test_a_built_in_message_is_made_from_its_data(message: Any) -> None:
    assert MessageFactory().create(message.dump()) == message


def test_a_class_of_the_users_is_made_once_it_is_registered() -> None:
    factory = MessageFactory()
    poem = Poem(content="x", source="a", lines=5)
    assert not factory.is_registered(Poem)

    factory.register(Poem)

    assert factory.is_registered(Poem)
    assert factory.create(poem.dump()) == poem


def test_a_structured_message_is_made_once_its_class_is_registered() -> None:
    factory = MessageFactory()
    message = StructuredMessage[Weather](content=Weather(city="Oslo"), source="a")

    factory.register(StructuredMessage[Weather])

    assert factory.create(message.dump()) == message


def test_one_factory_does_not_change_another() -> None:
    MessageFactory().register(Poem)

    assert not MessageFactory().is_registered(Poem)


def test_the_two_classes_autogen_leaves_out_are_left_out() -> None:
    assert not MessageFactory().is_registered(SelectorEvent)
    assert not MessageFactory().is_registered(StructuredMessage)


def test_registering_twice_is_refused() -> None:
    factory = MessageFactory()
    factory.register(Poem)

    with pytest.raises(ValueError, match="'Poem' is registered already"):
        factory.register(Poem)


class Untyped(BaseTextChatMessage):
    pass


class Mistyped(BaseTextChatMessage):
    type: Literal["mist"] = "mist"


class Derived(TextMessage):
    pass


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (Untyped, r'Untyped has no field \'type\', .* cannot be loaded\. .* type: Literal\["Untyped"\] = "Untyped"'),
        (Mistyped, "Mistyped has the type 'mist', so what is saved of it is not loaded as a Mistyped"),
        (Derived, "Derived has the type 'TextMessage', so what is saved of it is not loaded as a Derived"),
    ],
)
def test_a_class_that_cannot_be_read_again_is_warned_of_when_it_is_registered(kind: Any, says: str) -> None:
    factory = MessageFactory()

    with pytest.warns(UserWarning, match=says):
        factory.register(kind)
    assert factory.is_registered(kind)


def test_a_class_that_writes_its_type_itself_is_not_warned_of() -> None:
    class Computed(BaseTextChatMessage):
        @computed_field  # type: ignore[prop-decorator]
        @property
        def type(self) -> str:
            return "Computed"

    class Dumped(BaseTextChatMessage):
        def dump(self) -> Mapping[str, Any]:
            return {"type": "Dumped", **super().dump()}

    factory = MessageFactory()
    factory.register(Computed)
    factory.register(Dumped)

    for kind in (Computed, Dumped):
        assert type(factory.create(kind(content="x", source="a").dump())) is kind


@pytest.mark.parametrize("bad", [int, UserMessage, "TextMessage"])
def test_what_is_no_message_class_is_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match="is no message class"):
        MessageFactory().register(bad)


def test_data_without_a_type_is_refused() -> None:
    with pytest.raises(ValueError, match="has no 'type'"):
        MessageFactory().create({"content": "x", "source": "a"})


def test_an_unknown_type_lists_the_known_ones_and_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"'Poem' \(known: .*TextMessage.*custom_message_types"):
        MessageFactory().create({"type": "Poem"})


@pytest.mark.parametrize("odd", [3, ["TextMessage"], {"a": 1}])
def test_a_type_that_is_no_name_is_unknown(odd: Any) -> None:
    with pytest.raises(ValueError, match="Unknown message type"):
        MessageFactory().create({"type": odd, "content": "x", "source": "a"})
    assert isinstance(read_message({"type": odd, "content": "x", "source": "a"}), UnknownMessage)


def test_data_that_does_not_fit_its_type_is_refused() -> None:
    with pytest.raises(ValueError, match="source"):
        MessageFactory().create({"type": "TextMessage", "content": "x"})


def test_the_unions_read_by_type() -> None:
    text, thought = TextMessage(content="x", source="a"), ThoughtEvent(content="x", source="a")

    assert TypeAdapter(ChatMessage).validate_python(text.dump()) == text
    assert TypeAdapter(AgentEvent).validate_python(thought.dump()) == thought


def test_a_message_of_an_unknown_class_keeps_its_data() -> None:
    poem = Poem(content="roses", source="ana", lines=5, metadata={"k": "v"})

    read = read_message(dict(poem.dump()))

    assert isinstance(read, UnknownMessage)
    assert read.dump() == poem.dump()
    assert (read.id, read.source, read.created_at, read.metadata) == (poem.id, "ana", poem.created_at, {"k": "v"})
    assert read.to_text() == "roses"
    assert read.to_model_message() == UserMessage(content="roses", source="ana")


def test_an_unknown_message_is_written_as_it_was_however_often_it_is_read() -> None:
    poem = Poem(content="roses", source="ana", lines=5)
    written = Event(id="r:1", seq=1, at=poem.created_at, body=Said(message=poem)).model_dump_json()

    once = Event.model_validate_json(written)
    twice = Event.model_validate_json(once.model_dump_json())

    assert json.loads(twice.model_dump_json()) == json.loads(written)


def test_data_that_is_hardly_a_message_is_kept_all_the_same() -> None:
    read = read_message({"type": "Odd", "created_at": "yesterday", "x": [1]})

    assert isinstance(read, UnknownMessage)
    assert (read.source, read.dump()) == ("?", {"type": "Odd", "created_at": "yesterday", "x": [1]})


def test_a_users_message_survives_a_log_that_is_saved_opened_and_saved_again(tmp_path: Any) -> None:
    log = RunLog()
    poem = Poem(content="roses", source="ana", lines=5)
    log.append(Said(message=poem))

    once = RunLog.open(log.save(tmp_path / "one.jsonl"))
    twice = RunLog.open(once.save(tmp_path / "two.jsonl"))

    (message,) = [event.body.message for event in twice if isinstance(event.body, Said)]
    assert Poem.load(message.dump()) == poem
