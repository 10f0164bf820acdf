"""Messages beside their saved forms."""

from __future__ import annotations

import gc
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agentnb.messages import (
    AssistantMessage,
    BaseAgentEvent,
    BaseChatMessage,
    FunctionCall,
    LLMMessage,
    MessageFactory,
    RequestUsage,
    StopMessage,
    TextMessage,
    UserMessage,
)
from agentnb.messages.chat import said_edits
from agentnb.messages.llm import edits, read_message
from agentnb.messages.saved import Kept, Loaded, SavedMessages, Uncollected
from agentnb.messages.texts import (
    load_messages,
    write_messages,
    write_messages_ahead,
    write_said,
    write_said_ahead,
)
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
    return Kept([user(content) for content in contents], write_messages, write_messages_ahead, edits)


def conversation(count: int, **metadata: str) -> Kept[BaseAgentEvent | BaseChatMessage]:
    said: Kept[BaseAgentEvent | BaseChatMessage] = Kept([], write_said, write_said_ahead, said_edits)
    for _ in range(count):
        said.append(TextMessage(content="a", source="s", metadata=metadata.copy()))
    return said


def looked_through(forms: list[Any]) -> Loaded[LLMMessage]:
    return load_messages(forms, lambda data, _: read_message(data))


def shown(forms: Any) -> list[str]:
    return [form["content"] for form in json.loads(json.dumps(forms))]


@given(messages=st.lists(said, max_size=4))
def test_text_messages_are_written_together_as_each_dumps(messages: list[TextMessage]) -> None:
    assert write_said(messages) == [message.model_dump(mode="json") for message in messages]


@given(messages=st.lists(said, max_size=4))
def test_text_messages_come_back_from_their_forms(messages: list[TextMessage]) -> None:
    loaded = MessageFactory().look_through(json.loads(json.dumps(write_said(messages))), "of the test")

    made = loaded.made(0, len(messages))
    checked = [TextMessage.model_validate(form) for form in write_said(messages)]
    assert made == messages
    assert write_said(made) == loaded.forms(write_said) == write_said(messages)
    assert [list(message.__dict__) for message in made] == [list(message.__dict__) for message in checked]


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {1: "value"}},
        {"metadata": {"key": 1}},
        {"metadata": [["key", "value"]]},
        {"models_usage": {"prompt_tokens": 1}},
        {"models_usage": {"prompt_tokens": 1, "completion_tokens": "many"}},
        {"models_usage": [1, 2]},
        {"created_at": "2026-13-01T00:00:00Z"},
        {"created_at": None},
        {"content": None},
        {"content": ["a"]},
        {"source": 1},
    ],
    ids=str,
)
def test_text_that_the_validator_refuses_is_refused_where_it_is_loaded(change: dict[str, Any]) -> None:
    (form,) = write_said([TextMessage(content="a", source="s")])

    with pytest.raises(ValueError, match="Message 2 of the test, a TextMessage, cannot be read: "):
        MessageFactory().look_through([form, {**form, **change}], "of the test")


@pytest.mark.parametrize("text", ["Zoë", "値", "half a \ud83d smile"])
def test_what_a_text_is_in_any_script_is_read_as_the_validator_reads_it(text: str) -> None:
    (form,) = write_said([TextMessage(content="a", source="s")])
    form |= {"source": text, "id": text, "content": text, "metadata": {text: text}}

    loaded = MessageFactory().look_through([form], "of the test")

    assert loaded.made(0, 1) == [TextMessage.model_validate(form)]


@pytest.mark.parametrize(
    "time",
    [
        "2026-01-01 00:00:00Z",
        "2026-01-01\n00:00:00Z",
        "2026-01-01T00:00:00.5Z",
        "2026-01-01T00:00:00,500000Z",
        "2026-01-01T00:00:00+00:00",
        "20260101T000000Z",
        "2026-W01-1T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "12026-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z\n2026-01-01T00:00:00Z",
        "",
    ],
)
def test_a_time_that_is_not_as_we_dump_it_is_what_the_validator_says(time: str) -> None:
    saved = write_said([TextMessage(content=str(n), source="s") for n in range(3)])
    saved[1] |= {"created_at": time}

    try:
        expected = write_said([TextMessage.model_validate(form) for form in saved])
    except ValidationError:
        with pytest.raises(ValueError, match="Message 2 of the test"):
            MessageFactory().look_through(saved, "of the test")
    else:
        assert MessageFactory().look_through(saved, "of the test").forms(write_said) == expected


def test_a_text_written_otherwise_comes_back_as_the_validator_reads_it_between_others() -> None:
    forms = write_said([TextMessage(content=str(n), source="s", metadata={"n": str(n)}) for n in range(5)])
    changes: list[dict[str, Any]] = [
        {},
        {"created_at": "2026-01-01T00:00:00+05:30"},
        {"type": "StopMessage"},
        {"models_usage": {"prompt_tokens": "1", "completion_tokens": 2}},
        {"created_at": 0, "more": 1},
    ]
    saved = [{**form, **change} for form, change in zip(forms, changes, strict=True)]

    loaded = MessageFactory().look_through(saved, "of the test")

    expected = [(StopMessage if n == 2 else TextMessage).model_validate(form) for n, form in enumerate(saved)]
    assert [loaded.made(n, n + 1) for n in range(5)] == [[message] for message in expected]
    assert loaded.made(1, 4) == expected[1:4]
    assert loaded.forms(write_said) == write_said(expected)


def test_however_many_texts_are_loaded_they_are_few_objects_until_they_are_looked_at() -> None:
    def objects(count: int) -> int:
        heard = write_messages([user("a"), AssistantMessage(content="b", source="s")]) * count
        said = write_said([TextMessage(content="a", source="s", models_usage=RequestUsage(1, 2))]) * count
        gc.collect()
        before = len(gc.get_objects())
        loaded = looked_through(heard), MessageFactory().look_through(said, "of the test")
        after = len(gc.get_objects())
        assert [len(one) for one in loaded] == [2 * count, count]
        return after - before

    objects(1)

    assert objects(500) == objects(5)


def test_only_what_is_new_is_written() -> None:
    written: list[int] = []

    def write(messages: Any) -> list[dict[str, Any]]:
        written.append(len(messages))
        return write_messages(messages)

    messages = Kept([user("a"), user("b")], write, write_messages_ahead, edits)
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
    messages, others = kept("a"), conversation(1)
    messages.saved(), others.saved()

    messages.messages[0].content = "b"
    others.messages[0].content = "b"

    assert shown(messages.saved()) == shown(others.saved()) == ["b"]


def test_what_is_said_is_written_before_a_save_asks_for_it() -> None:
    written: list[int] = []

    def write(messages: Any) -> list[dict[str, Any]]:
        written.append(len(messages))
        return write_messages(messages)

    messages: Kept[LLMMessage] = Kept([], write, write_messages_ahead, edits)
    for number in range(200):
        messages.append(user(str(number)))

    assert shown(messages.saved()) == [*map(str, range(200))]
    assert 0 < sum(written) < 100


@pytest.mark.parametrize("changed", [0, 64, 199])
def test_metadata_filled_in_before_the_first_save_is_saved(changed: int) -> None:
    said = conversation(200)

    said.messages[changed].metadata["rating"] = "5"

    assert said.saved()[:] == [message.dump() for message in said.messages]


def test_a_conversation_with_metadata_is_written_when_it_is_saved() -> None:
    said = conversation(100, rating="5")

    said.messages[3].metadata["rating"] = "4"

    assert [form["metadata"]["rating"] for form in said.saved()] == ["5"] * 3 + ["4"] + ["5"] * 96


@pytest.mark.parametrize("place", [0, 70, 199])
def test_one_message_that_is_no_text_is_saved_in_its_place(place: int) -> None:
    messages = kept()
    call = AssistantMessage(content=[FunctionCall(id="1", name="f", arguments="{}")], source="ana")
    expected: list[LLMMessage] = [call if number == place else user(str(number)) for number in range(200)]
    for message in expected:
        messages.append(message)

    assert messages.saved()[:] == [message.model_dump() for message in expected]


def test_who_edits_messages_all_the_time_does_not_have_them_written_each_time() -> None:
    written: list[int] = []

    def ahead(messages: Any) -> Any:
        written.append(len(messages))
        return write_messages_ahead(messages)

    messages: Kept[LLMMessage] = Kept([], write_messages, ahead, edits)
    for number in range(1000):
        messages.append(user("a"))
        messages.messages[number].content = str(number)

    assert sum(written) < 200
    assert shown(messages.saved()) == [*map(str, range(1000))]


def test_a_message_whose_attribute_is_set_or_deleted_leaves_the_states_saved_before_as_they_were() -> None:
    messages = kept("a")
    before = messages.saved()

    messages.messages[0].content = "b"
    between = messages.saved()
    del messages.messages[0].content

    assert (shown(before), shown(between)) == (["a"], ["b"])


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


class Watched:
    """Kept messages that were loaded, and the contents of those that were made since."""

    def __init__(self, *entries: str | LLMMessage) -> None:
        self.made: list[str] = []
        self.kept = kept()
        forms = [entry if not isinstance(entry, str) else user(entry).model_dump() for entry in entries]
        loaded = looked_through(forms)
        self._make, loaded.make = loaded.make, self._made
        self.kept.load(loaded)

    def _made(self, contents: list[str], *others: Any) -> list[LLMMessage]:
        self.made += filter(None, contents)  # where something else stands is an empty text
        return self._make(contents, *others)


def test_loaded_messages_are_made_when_they_are_looked_at_and_then_stay() -> None:
    answer = AssistantMessage(content="b", source="s")
    loaded = Watched("a", answer)

    assert shown(loaded.kept.saved()) == ["a", "b"]
    assert loaded.made == []
    first = loaded.kept.messages
    assert first == [user("a"), answer]
    assert first[1] is answer
    assert loaded.kept.messages is first
    assert shown(loaded.kept.saved()) == ["a", "b"]
    assert loaded.made == ["a"]


def test_a_look_at_the_last_messages_makes_no_others_and_these_stay() -> None:
    loaded = Watched("a", "b", "c", "d")

    last = loaded.kept.last(2)
    assert last == [user("c"), user("d")]
    assert loaded.made == ["c", "d"]
    assert loaded.kept.last(3)[1] is last[0]
    assert loaded.made == ["c", "d", "b"]
    assert loaded.kept.messages[2:] == last
    assert loaded.kept.messages[2] is last[0]
    assert len(loaded.kept.last(9)) == 4


def test_what_is_said_after_a_load_comes_after_it_without_a_look_at_it() -> None:
    loaded = Watched("a", "b")

    loaded.kept.append(user("c"))
    assert shown(loaded.kept.saved()) == ["a", "b", "c"]
    loaded.kept.append(user("d"))
    assert loaded.kept.last(1) == [user("d")]
    assert loaded.made == []
    assert shown(loaded.kept.messages and loaded.kept.saved()) == ["a", "b", "c", "d"]


def test_what_was_loaded_and_saved_is_gone_once_it_is_cleared() -> None:
    loaded = Watched("a", "b")
    loaded.kept.saved()

    loaded.kept.clear()

    assert shown(loaded.kept.saved()) == []


@given(data=st.data())
def test_whatever_is_done_with_messages_a_state_is_what_they_dump_and_stays_as_it_was(data: st.DataObject) -> None:
    forms = st.lists(st.builds(user, texts), max_size=4).map(write_messages)
    messages, expected = kept(), []
    states: list[tuple[Any, Any]] = []
    steps = st.sampled_from(
        ["load", "say", "say much", "last", "look", "set", "exchange", "remove", "clear", "save", "save"]
    )
    for step in data.draw(st.lists(steps, max_size=12)):
        match step:
            case "load":
                expected = json.loads(json.dumps(data.draw(forms)))
                messages.load(looked_through(expected))
            case "say":
                messages.append(user(data.draw(texts)))
                expected.append(messages.last(1)[0].model_dump())
            case "say much":  # so much that some of it is written before it is saved
                messages.extend([user(str(number)) for number in range(70)])
                expected += [message.model_dump() for message in messages.last(70)]
            case "last":
                count = data.draw(st.integers(1, 4))
                assert [message.model_dump() for message in messages.last(count)] == expected[-count:]
            case "look":
                assert [message.model_dump() for message in messages.messages] == expected
            case "set" if expected:
                changed = messages.last(1)[0]
                changed.content = data.draw(texts)
                expected[-1] = changed.model_dump()
            case "exchange" if expected:
                messages.messages[0] = other = user(data.draw(texts))
                expected[0] = other.model_dump()
            case "remove" if expected:
                del messages.messages[-1], expected[-1]
            case "clear":
                messages.clear()
                expected = []
            case "save":
                states.append((messages.saved(), json.loads(json.dumps(expected))))

    assert [json.loads(json.dumps(state)) for state, _ in states] == [saved for _, saved in states]
    assert json.loads(json.dumps(messages.saved())) == expected


def test_a_saved_list_is_a_list_to_every_reader() -> None:
    state = SavedMessages([{"a": 1}])

    assert state == [{"a": 1}]
    assert len(state) == 1
    assert {"a": 1} in state
    assert json.dumps(state) == json.dumps(state, indent=None) == '[{"a": 1}]'
    assert json.loads(json.dumps(state, indent=1)) == [{"a": 1}]


def among_the_old(made: list[Any]) -> int:
    old = {id(one) for one in gc.get_objects(generation=2)}
    return sum(id(one) in old for one in made)


@pytest.mark.parametrize(("many", "old"), [(20_000, 20_000), (500, 0)])
def test_only_what_was_made_by_the_thousand_is_not_walked_through_by_the_collector(many: int, old: int) -> None:
    gc.collect()
    with Uncollected():
        made: list[Any] = [[] for _ in range(many)]

    assert among_the_old(made) == old
    assert gc.isenabled()


def test_what_somebody_froze_stays_frozen() -> None:
    gc.collect()
    gc.freeze()
    try:
        before = gc.get_freeze_count()
        with Uncollected():
            made: list[Any] = [[] for _ in range(20_000)]
        assert gc.get_freeze_count() == before
        assert among_the_old(made) == 0
    finally:
        gc.unfreeze()
