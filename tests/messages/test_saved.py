"""Messages beside their saved forms."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentnb.messages import AssistantMessage, LLMMessage, MessageFactory, RequestUsage, TextMessage, UserMessage
from agentnb.messages.chat import said_edits, write_said
from agentnb.messages.llm import edits, read_messages, write_messages
from agentnb.messages.saved import Kept, SavedMessages
from tests.strategies import names, numbers, texts

zones: Any = st.sampled_from([None, UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=3))])
usages = st.none() | st.builds(RequestUsage, prompt_tokens=numbers, completion_tokens=numbers)
said = st.builds(
    TextMessage,
    content=texts,
    source=names,
    id=names,
    models_usage=usages,
    metadata=st.dictionaries(names, texts.filter(str.isascii), max_size=2),
    created_at=st.datetimes(datetime(1970, 1, 2), timezones=zones),
)


def user(content: str) -> UserMessage:
    return UserMessage(content=content, source="user")


def kept(*contents: str) -> Kept[LLMMessage]:
    return Kept([user(content) for content in contents], write_messages, edits)


def shown(forms: Any) -> list[str]:
    return [form["content"] for form in json.loads(json.dumps(forms))]


@given(messages=st.lists(said, max_size=4))
def test_text_messages_are_written_together_as_each_dumps(messages: list[TextMessage]) -> None:
    assert write_said(messages) == [message.model_dump(mode="json") for message in messages]


@given(messages=st.lists(said, max_size=4))
def test_text_messages_come_back_from_their_forms(messages: list[TextMessage]) -> None:
    factory = MessageFactory()

    entries = factory.entries(json.loads(json.dumps(write_said(messages))), "of the test")

    assert factory.read(entries) == messages
    assert write_said(factory.read(entries)) == write_said(messages)


@pytest.mark.parametrize(
    "at", ["2026-W01-1T00:00:00Z", "20260101T000000Z", "2026-01-01", "2026-01-01T00:00:00+00:00", 1]
)
def test_a_time_that_is_written_otherwise_is_left_to_the_validator(at: Any) -> None:
    (form,) = write_said([TextMessage(content="a", source="s")])

    try:
        expected: Any = TextMessage.model_validate({**form, "created_at": at})
    except ValueError:
        with pytest.raises(ValueError, match="Message 1 of the test, a TextMessage, cannot be read: created_at"):
            MessageFactory().entries([{**form, "created_at": at}], "of the test")
    else:
        assert MessageFactory().entries([{**form, "created_at": at}], "of the test") == [expected]


def test_only_what_is_new_is_written() -> None:
    written: list[int] = []

    def write(messages: Any) -> list[dict[str, Any]]:
        written.append(len(messages))
        return write_messages(messages)

    messages = Kept([user("a"), user("b")], write, edits)
    messages.saved()
    messages.messages.append(user("c"))

    assert shown(messages.saved()) == ["a", "b", "c"]
    assert shown(messages.saved()) == ["a", "b", "c"]
    assert written == [2, 1]


def test_messages_that_are_put_in_taken_out_or_exchanged_are_seen() -> None:
    messages = kept("a", "b", "c")
    messages.saved()

    messages.messages[1] = user("B")
    assert shown(messages.saved()) == ["a", "B", "c"]
    del messages.messages[0]
    assert shown(messages.saved()) == ["B", "c"]
    messages.messages.insert(1, user("between"))
    assert shown(messages.saved()) == ["B", "between", "c"]
    messages.messages[:] = [user("x"), *messages.messages]
    assert shown(messages.saved()) == ["x", "B", "between", "c"]
    messages.messages.clear()
    assert shown(messages.saved()) == []


def test_a_message_whose_attribute_is_set_is_written_anew() -> None:
    messages, others = kept("a"), Kept([TextMessage(content="a", source="s")], write_said, said_edits)
    messages.saved(), others.saved()

    messages.messages[0].content = "b"
    others.messages[0].content = "b"

    assert shown(messages.saved()) == shown(others.saved()) == ["b"]


def test_the_list_of_a_state_that_is_gone_is_used_again_and_that_of_one_that_is_held_is_not() -> None:
    messages = kept("a")
    gone = id(messages.saved())
    messages.messages.append(user("b"))
    held = messages.saved()
    messages.messages.append(user("c"))

    assert id(held) == gone
    assert messages.saved() is not held
    assert (shown(held), shown(messages.saved())) == (["a", "b"], ["a", "b", "c"])


def test_a_message_taken_out_of_a_state_that_is_gone_is_its_takers_own() -> None:
    messages = kept("a", "b")
    taken = messages.saved()[0]

    taken["content"] = "changed"

    assert shown(messages.saved()) == ["a", "b"]


WAYS: list[Any] = [
    lambda s: s[0],
    lambda s: s[:1][0],
    lambda s: next(iter(s)),
    lambda s: list(s)[0],  # noqa: RUF015
    lambda s: [*s][0],  # noqa: RUF015
    lambda s: next(reversed(s)),
    lambda s: (s + [])[0],  # noqa: RUF005
    lambda s: ([] + s)[0],  # noqa: RUF005
    lambda s: (s * 2)[0],
    lambda s: (2 * s)[0],
    lambda s: s.copy()[0],
    lambda s: s.pop(),
    lambda s: sorted(s, key=lambda form: form["content"])[0],
    lambda s: next(filter(None, s)),
    lambda s: max(s, key=lambda form: form["content"]),
]


@pytest.mark.parametrize("way", WAYS)
def test_however_a_form_is_taken_out_changing_it_changes_no_other_state(way: Any) -> None:
    messages = kept("a", "b")
    before, state = messages.saved(), messages.saved()

    way(state)["content"] = "changed"

    assert shown(before) == shown(messages.saved()) == ["a", "b"]


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.append(1),
        lambda s: s.clear(),
        lambda s: s.reverse(),
        lambda s: s.insert(0, 1),
        lambda s: s.extend([1]),
        lambda s: s.__setitem__(0, 1),
        lambda s: s.__delitem__(0),
        lambda s: s.sort(key=lambda form: form["content"], reverse=True),
        lambda s: s.__iadd__([1]),
        lambda s: s.__imul__(2),
        lambda s: s.remove(s[0]),
    ],
)
def test_a_list_that_is_changed_is_not_used_again(change: Any) -> None:
    messages = kept("a", "b")

    change(messages.saved())

    assert shown(messages.saved()) == ["a", "b"]


def test_loaded_messages_are_made_when_they_are_looked_at_and_then_stay() -> None:
    made: list[int] = []

    def read(entries: list[Any]) -> list[LLMMessage]:
        made.append(len(entries))
        return read_messages(entries)

    answer = AssistantMessage(content="b", source="s")
    messages = kept()
    messages.load([{"content": "a", "source": "user", "type": "UserMessage"}, answer], read)

    assert shown(messages.saved()) == ["a", "b"]
    assert made == []
    first = messages.messages
    assert first == [user("a"), answer]
    assert first[1] is answer
    assert messages.messages is first
    assert shown(messages.saved()) == ["a", "b"]
    assert made == [2]


def test_a_saved_list_is_a_list_to_every_reader() -> None:
    state = SavedMessages([{"a": 1}])

    assert state == [{"a": 1}]
    assert len(state) == 1
    assert {"a": 1} in state
    assert json.dumps(state) == json.dumps(state, indent=None) == '[{"a": 1}]'
    assert json.loads(json.dumps(state, indent=1)) == [{"a": 1}]
