"""Messages to bytes and back."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Union

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from agentnb.core import AgentId, well_formed
from agentnb.exceptions import UserError
from agentnb.messages import FunctionCall, TextMessage
from agentnb.runtimes.serialization import (
    JSON_DATA_CONTENT_TYPE,
    PROTOBUF_DATA_CONTENT_TYPE,
    DataclassJsonMessageSerializer,
    MessageSerializer,
    ProtobufMessageSerializer,
    PydanticJsonMessageSerializer,
    SerializationRegistry,
    UnknownPayload,
    payload_text,
    try_get_known_serializers_for_type,
)
from tests.strategies import json_values, messages, texts

JSON = JSON_DATA_CONTENT_TYPE


class Mood(Enum):
    GOOD = "good"


@dataclass(frozen=True)
class Sealed:
    text: str
    numbers: list[int] = field(default_factory=list)
    mood: Mood = Mood.GOOD
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    pair: tuple[int, int] = (1, 2)


class Model(BaseModel):
    text: str
    inner: Sealed | None = None
    parts: list[Sealed] = []


@dataclass
class Inner:
    x: int


@dataclass
class HoldsDataclass:
    inner: Inner


@dataclass
class HoldsModels:
    inner: dict[str, list[Model]]


@dataclass
class HoldsUnion:
    x: Union[int, str]  # noqa: UP007


@dataclass
class HoldsOptional:
    x: int | None = None


def serializer_of(cls: type[Any]) -> MessageSerializer[Any]:
    (serializer,) = try_get_known_serializers_for_type(cls)
    return serializer


def there_and_back(message: Any) -> Any:
    serializer = serializer_of(type(message))
    return serializer.deserialize(serializer.serialize(message))


@given(text=st.text(), numbers=st.lists(st.integers()), at=st.datetimes(timezones=st.just(UTC)))
def test_a_dataclass_comes_back_as_it_was(text: str, numbers: list[int], at: datetime) -> None:
    message = Sealed(text, numbers, at=at)

    assert there_and_back(message) == message


@given(text=st.text(), parts=st.lists(st.builds(Sealed, text=st.text()), max_size=3))
def test_a_model_comes_back_as_it_was_with_what_it_holds(text: str, parts: list[Sealed]) -> None:
    message = Model(text=text, inner=Sealed("in"), parts=parts)

    assert there_and_back(message) == message


@given(message=messages)
def test_chat_messages_come_back_as_they_were(message: Any) -> None:
    assert there_and_back(message) == message


@given(text=texts)
def test_half_an_emoji_does_not_keep_a_message_from_being_sent(text: str) -> None:
    assert there_and_back(Sealed(text)) == Sealed(well_formed(text))
    assert there_and_back(Model(text="x", inner=Sealed(text))).inner.text == well_formed(text)


def test_a_protobuf_message_comes_back_wrapped_as_any() -> None:
    from google.protobuf.any_pb2 import Any as Wrapper
    from google.protobuf.struct_pb2 import Struct

    message = Struct()
    message.update({"a": 1, "b": ["x"]})
    payload = serializer_of(Struct).serialize(message)

    assert serializer_of(Struct).deserialize(payload) == message
    assert Wrapper.FromString(payload).TypeName() == "google.protobuf.Struct"


def test_protobuf_bytes_of_another_message_are_refused() -> None:
    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.struct_pb2 import Struct

    payload = serializer_of(Duration).serialize(Duration(seconds=3))

    with pytest.raises(ValueError, match=r"holds a google\.protobuf\.Duration, not a google\.protobuf\.Struct"):
        serializer_of(Struct).deserialize(payload)
    with pytest.raises(ValueError, match=r"3 bytes are no google\.protobuf\.Struct"):
        serializer_of(Struct).deserialize(b"\xff\xff\xff")


def test_each_kind_of_class_has_its_serializer_and_others_have_none() -> None:
    from google.protobuf.struct_pb2 import Struct

    kinds: dict[Any, Any] = {cls: type(serializer_of(cls)) for cls in (Model, Sealed, Struct)}

    assert kinds == {
        Model: PydanticJsonMessageSerializer,
        Sealed: DataclassJsonMessageSerializer,
        Struct: ProtobufMessageSerializer,
    }
    assert [try_get_known_serializers_for_type(cls) for cls in (str, dict, AgentId)] == [[], [], []]
    assert all(isinstance(serializer_of(cls), MessageSerializer) for cls in kinds)


def test_names_and_formats_are_those_of_the_wire() -> None:
    from google.protobuf.struct_pb2 import Struct

    sealed, struct = serializer_of(Sealed), serializer_of(Struct)

    assert (sealed.type_name, sealed.data_content_type) == ("Sealed", "application/json")
    assert (struct.type_name, struct.data_content_type) == ("google.protobuf.Struct", PROTOBUF_DATA_CONTENT_TYPE)
    assert PROTOBUF_DATA_CONTENT_TYPE == "application/x-protobuf"


@pytest.mark.parametrize(
    ("cls", "what"),
    [
        (HoldsDataclass, "'inner' of the dataclass HoldsDataclass holds the dataclass Inner"),
        (HoldsModels, "holds the pydantic model Model"),
        (HoldsUnion, "'x' of the dataclass HoldsUnion is a union"),
        (HoldsOptional, "is a union"),
    ],
)
def test_a_dataclass_whose_json_does_not_say_what_to_make_of_it_is_refused(cls: type[Any], what: str) -> None:
    with pytest.raises(ValueError, match=rf"{what}.*class {cls.__name__}\(BaseModel\)"):
        try_get_known_serializers_for_type(cls)


def test_a_dataclass_that_stays_on_this_machine_may_hold_anything() -> None:
    @dataclass
    class Local:
        queue: asyncio.Queue[int]

    (serializer,) = try_get_known_serializers_for_type(Local)

    with pytest.raises(UserError, match="Local cannot be written as JSON"):
        serializer.serialize(Local(asyncio.Queue()))


def test_bytes_that_are_no_such_message_are_refused_by_name() -> None:
    for cls in (Sealed, Model):
        with pytest.raises(UserError, match=f"2 bytes are no {cls.__name__}"):
            serializer_of(cls).deserialize(b"{}")


def test_serializers_are_made_once_per_class() -> None:
    assert serializer_of(Sealed) is serializer_of(Sealed)


def registry(*classes: type[Any]) -> SerializationRegistry:
    known = SerializationRegistry()
    for cls in classes:
        known.add_serializer(try_get_known_serializers_for_type(cls))
    return known


def test_a_registry_reads_and_writes_what_it_knows() -> None:
    known = registry(Sealed)
    name = known.type_name(Sealed("hi"))
    payload = known.serialize(Sealed("hi"), type_name=name, data_content_type=JSON)

    assert known.deserialize(payload, type_name=name, data_content_type=JSON) == Sealed("hi")
    assert known.is_registered("Sealed", JSON)
    assert not known.is_registered("Sealed", PROTOBUF_DATA_CONTENT_TYPE)


def test_the_name_of_a_protobuf_message_is_its_full_name() -> None:
    from google.protobuf.struct_pb2 import Struct

    assert registry().type_name(Struct()) == "google.protobuf.Struct"


def test_what_nobody_registered_is_kept_as_it_came() -> None:
    got = registry().deserialize(b"{}", type_name="Vote", data_content_type=JSON)

    assert got == UnknownPayload("Vote", JSON, b"{}")


def test_writing_what_nobody_registered_says_what_is() -> None:
    with pytest.raises(ValueError, match=r"No serializer for 'Vote' as application/json \(registered: 'Sealed'\)"):
        registry(Sealed).serialize("aye", type_name="Vote", data_content_type=JSON)


def namesakes() -> list[type[Any]]:
    def first() -> type[Any]:
        @dataclass
        class Note:
            text: str

        return Note

    def second() -> type[Any]:
        @dataclass
        class Note:
            number: int

        return Note

    return [first(), second()]


def test_two_classes_of_one_name_are_told_of_and_each_is_written_as_itself() -> None:
    """AutoGen lets the last one registered win, and reads the other's bytes as it."""
    one, two = namesakes()
    known = registry(one)
    with pytest.warns(UserWarning, match=r"called 'Note'.*first.*Note and .*second.*Note"):
        known.add_serializer(try_get_known_serializers_for_type(two))

    written = [known.serialize(m, type_name="Note", data_content_type=JSON) for m in (one("a"), two(1))]

    assert written == [b'{"text":"a"}', b'{"number":1}']
    with pytest.raises(UserError, match=r"'Note' may be .*first.*Note or .*second.*Note; rename"):
        known.deserialize(written[0], type_name="Note", data_content_type=JSON)
    with pytest.raises(UserError, match="None of the classes called 'Note' is"):
        known.serialize(Sealed("x"), type_name="Note", data_content_type=JSON)


def define_again() -> type[Any]:
    @dataclass
    class Again:
        text: str

    return Again


def test_a_class_defined_again_takes_the_place_of_its_former_self() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        known = registry(Sealed, Sealed, define_again(), latest := define_again())

    assert known.deserialize(b'{"text":"x"}', type_name="Again", data_content_type=JSON) == latest("x")


def test_a_serializer_of_ones_own_replaces_the_known_one() -> None:
    class Shout:
        data_content_type = JSON
        type_name = "Sealed"

        def serialize(self, message: Any) -> bytes:
            return message.text.upper().encode()  # type: ignore[no-any-return]

        def deserialize(self, payload: bytes) -> Any:
            return Sealed(payload.decode().lower())

    known = registry(Sealed)
    known.add_serializer(Shout())

    assert known.serialize(Sealed("hi"), type_name="Sealed", data_content_type=JSON) == b"HI"
    assert known.deserialize(b"HI", type_name="Sealed", data_content_type=JSON) == Sealed("hi")


class Rude:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def cycle() -> Any:
    loop: list[Any] = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: "hi", '"hi"'),
        (lambda: 3, "3"),
        (lambda: None, "null"),
        (lambda: {"a": [1, True]}, '{"a":[1,true]}'),
        (lambda: Inner(1), '{"x":1}'),
        (lambda: HoldsDataclass(Inner(1)), '{"inner":{"x":1}}'),
        (lambda: FunctionCall(id="c", arguments="{}", name="f"), '{"id":"c","arguments":"{}","name":"f"}'),
        (lambda: float("nan"), '"NaN"'),
        (lambda: "half \ud83d", '"half \ufffd"'),
        (lambda: AgentId("a", "b"), 'AgentId(type="a", key="b")'),
        (lambda: b"\xff", r"b'\xff'"),
        (Rude, "<Rude>"),
    ],
)
def test_the_text_of_a_message_is_json_else_its_repr(make: Callable[[], Any], text: str) -> None:
    assert payload_text(make()) == text


def test_the_text_of_a_protobuf_message_is_its_json() -> None:
    from google.protobuf.struct_pb2 import Struct

    message = Struct()
    message.update({"a": "b"})

    assert json.loads(payload_text(message)) == {"a": "b"}


def test_the_text_of_a_message_that_holds_itself_is_its_repr() -> None:
    assert payload_text(cycle()) == "[[...]]"


@given(value=json_values)
def test_plain_values_are_written_as_the_json_they_are(value: Any) -> None:
    assert json.loads(payload_text(value)) == json.loads(well_formed(json.dumps(value, ensure_ascii=False)))


def test_the_text_of_a_chat_message_is_its_json() -> None:
    message = TextMessage(content="hi", source="ana")

    assert TextMessage.model_validate_json(payload_text(message)) == message


def test_protobuf_is_not_imported_for_messages_that_are_none() -> None:
    program = (
        "import sys\nfrom agentnb.runtimes.serialization import *\nfrom agentnb.runtimes import serialization as s\n"
        "s.payload_text({'a': 1}); s.try_get_known_serializers_for_type(dict)\n"
        "print('google.protobuf' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"


def test_what_is_no_serializer_is_refused_where_it_is_added() -> None:
    registry = SerializationRegistry()
    wrong: Any
    for wrong in (5, [5], PydanticJsonMessageSerializer):
        with pytest.raises(ValueError, match=r"needs a MessageSerializer, or a list of them, not .*try_get_known"):
            registry.add_serializer(wrong)
