"""Messages to bytes and back, for wires; and to text, for the log.

Within one process messages are passed on as the objects they are. Only what leaves the process is serialised.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import types
import warnings
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Generic, Protocol, TypeVar, Union, cast, get_args, get_origin, get_type_hints, runtime_checkable

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

from agentnb.core import well_formed
from agentnb.exceptions import UserError

T = TypeVar("T")

JSON_DATA_CONTENT_TYPE = "application/json"
PROTOBUF_DATA_CONTENT_TYPE = "application/x-protobuf"


@runtime_checkable
class MessageSerializer(Protocol[T]):
    """Turns messages of one class into bytes and back."""

    @property
    def data_content_type(self) -> str:
        """The format, as in `application/json`."""

    @property
    def type_name(self) -> str:
        """What the class is called on the wire."""

    def deserialize(self, payload: bytes) -> T:
        """Read one message."""

    def serialize(self, message: T) -> bytes:
        """Write one message."""


@dataclasses.dataclass(frozen=True)
class UnknownPayload:
    """A message of a type nobody registered here, as it came."""

    type_name: str
    data_content_type: str
    payload: bytes


class _ClassSerializer(Generic[T]):
    """What the serializers of a class have in common."""

    data_content_type = JSON_DATA_CONTENT_TYPE

    def __init__(self, cls: type[T]) -> None:
        self.cls = cls

    @property
    def type_name(self) -> str:
        return self.cls.__name__


class PydanticJsonMessageSerializer(_ClassSerializer[T]):
    """A pydantic model as its JSON."""

    def deserialize(self, payload: bytes) -> T:
        return _read(self.cls, self.cls.model_validate_json, payload)  # type: ignore[attr-defined]

    def serialize(self, message: T) -> bytes:
        return _written(message, lambda: message.model_dump_json().encode())  # type: ignore[attr-defined]


class DataclassJsonMessageSerializer(_ClassSerializer[T]):
    """A dataclass as the JSON of its fields.

    Raises:
        ValueError: If a field is a union, or holds a dataclass or a pydantic model, also within `list[...]` and the
            like: the JSON would not say which class to make of it.
    """

    def __init__(self, cls: type[T]) -> None:
        super().__init__(cls)
        for name, hint in _hints(cls).items():
            for part in _parts(hint):
                what = _unreadable(part)
                if what:
                    raise UserError(
                        f"The field {name!r} of the dataclass {cls.__name__} {what}, which its JSON could not be read "
                        f"back from. Make {cls.__name__} a pydantic model: class {cls.__name__}(BaseModel)."
                    )

    def deserialize(self, payload: bytes) -> T:
        return _read(self.cls, self._adapter().validate_json, payload)

    def serialize(self, message: T) -> bytes:
        return _written(message, lambda: self._adapter().dump_json(message))

    def _adapter(self) -> TypeAdapter[T]:
        # Made when a wire needs it: on one machine fields may hold anything, a queue or a data frame.
        try:
            return _adapter(cast(Hashable, self.cls))
        except PydanticUserError as error:
            raise UserError(f"{self.cls.__name__} cannot be written as JSON: {error.message}") from error


class ProtobufMessageSerializer(_ClassSerializer[T]):
    """A protobuf message, wrapped in a `google.protobuf.Any`."""

    data_content_type = PROTOBUF_DATA_CONTENT_TYPE

    @property
    def type_name(self) -> str:
        return str(self.cls.DESCRIPTOR.full_name)  # type: ignore[attr-defined]

    def deserialize(self, payload: bytes) -> T:
        from google.protobuf.any_pb2 import Any as Wrapper
        from google.protobuf.message import DecodeError

        message: Any = self.cls()
        try:
            wrapper = Wrapper.FromString(payload)
            fits = wrapper.Unpack(message)
        except DecodeError as error:
            raise UserError(f"These {len(payload)} bytes are no {self.type_name}: {error}") from error
        if not fits:
            raise UserError(f"The payload holds a {wrapper.TypeName() or 'nameless message'}, not a {self.type_name}.")
        return message  # type: ignore[no-any-return]

    def serialize(self, message: T) -> bytes:
        from google.protobuf.any_pb2 import Any as Wrapper

        wrapper = Wrapper()
        wrapper.Pack(cast(Any, message))
        return wrapper.SerializeToString()


@lru_cache(maxsize=1024)
def _known(cls: type[Any]) -> MessageSerializer[Any] | None:
    if issubclass(cls, BaseModel):
        return PydanticJsonMessageSerializer(cls)
    if dataclasses.is_dataclass(cls):
        return DataclassJsonMessageSerializer(cls)
    return ProtobufMessageSerializer(cls) if _is_protobuf(cls) else None


def try_get_known_serializers_for_type(cls: type[Any]) -> list[MessageSerializer[Any]]:
    """Return the serializers for a class: one for a pydantic model, a dataclass or a protobuf message, else none.

    Raises:
        ValueError: If it is a dataclass whose JSON could not be read back.
    """
    found = _known(cast(Hashable, cls)) if isinstance(cls, type) else None
    return [] if found is None else [found]


class SerializationRegistry:
    """Which types a wire can carry, by name and format.

    Two classes of one name may both be sent. What comes in under that name can be read as neither, and says so. A
    class that is defined again, as when a notebook's cell is run twice, takes the place of its former self.
    """

    def __init__(self) -> None:
        self._serializers: dict[tuple[str, str], list[MessageSerializer[Any]]] = {}

    def add_serializer(self, serializer: MessageSerializer[Any] | Sequence[MessageSerializer[Any]]) -> None:
        """Add one serializer, or several; a second one for a class replaces the first.

        Raises:
            ValueError: If something else is given.
        """
        for one in serializer if isinstance(serializer, Sequence) else (serializer,):
            if inspect.isclass(one) or not isinstance(one, MessageSerializer):
                raise UserError(
                    f"add_message_serializer needs a MessageSerializer, or a list of them, not {one!r}; "
                    "try_get_known_serializers_for_type(MyMessage) makes those of a class."
                )
            known = self._serializers.setdefault((one.type_name, one.data_content_type), [])
            others = [other for other in known if _named_apart(other, one)]
            if others and len(others) == len(known):
                warnings.warn(
                    f"Two message classes are called {one.type_name!r}: {_where(others[0])} and {_where(one)}. Both "
                    "can be sent, but what arrives under that name cannot be told apart. Rename one of them.",
                    UserWarning,
                    stacklevel=2,
                )
            known[:] = [*others, one]

    def is_registered(self, type_name: str, data_content_type: str) -> bool:
        """Tell whether messages of that name and format are known."""
        return (type_name, data_content_type) in self._serializers

    def type_name(self, message: Any) -> str:
        """Return what the class of a message is called on a wire."""
        if _is_protobuf(type(message)):
            return str(message.DESCRIPTOR.full_name)
        return type(message).__name__

    def serialize(self, message: Any, *, type_name: str, data_content_type: str) -> bytes:
        """Write a message.

        Raises:
            ValueError: If no serializer has that name and format, or none of several is for the message's class.
        """
        known = self._serializers.get((type_name, data_content_type))
        if not known:
            raise UserError(
                f"No serializer for {type_name!r} as {data_content_type} (registered: {self._names()}). "
                "Add one: runtime.add_message_serializer(try_get_known_serializers_for_type(cls))."
            )
        if len(known) > 1:
            known = [one for one in known if _address(_class_of(one)) == _address(type(message))]
        if not known:
            raise UserError(f"None of the classes called {type_name!r} is {_address(type(message))}.")
        return known[0].serialize(message)

    def deserialize(self, payload: bytes, *, type_name: str, data_content_type: str) -> Any:
        """Read a message; an `UnknownPayload` if nobody knows its type.

        Raises:
            ValueError: If several classes have that name, or the payload is no such message.
        """
        known = self._serializers.get((type_name, data_content_type))
        if not known:
            return UnknownPayload(type_name, data_content_type, payload)
        if len(known) > 1:
            classes = " or ".join(map(_where, known))
            raise UserError(f"A message called {type_name!r} may be {classes}; rename one of the classes.")
        return known[0].deserialize(payload)

    def _names(self) -> str:
        return ", ".join(sorted({repr(name) for name, _ in self._serializers})) or "none"


def payload_text(message: Any) -> str:
    """Return a message as JSON, for people and logs; as its `repr` where it has none. Never raises."""
    try:
        if _is_protobuf(type(message)):
            from google.protobuf.json_format import MessageToJson

            return MessageToJson(message, indent=None)
        return _written(message, lambda: to_json(message, inf_nan_mode="strings")).decode()
    except Exception:  # what a message's class does when it is written is not ours to know
        try:
            return well_formed(repr(message))
        except Exception:
            return f"<{type(message).__name__}>"


@lru_cache(maxsize=1024)
def _adapter(cls: type[T]) -> TypeAdapter[T]:
    return TypeAdapter(cls)


def _read(cls: type[T], read: Callable[[bytes], T], payload: bytes) -> T:
    try:
        return read(payload)
    except ValidationError as error:
        raise UserError(f"These {len(payload)} bytes are no {cls.__name__}: {error}") from error


def _written(message: Any, write: Callable[[], bytes]) -> bytes:
    try:
        return write()
    except PydanticSerializationError as error:
        # Streamed text may hold half an emoji, which JSON in UTF-8 cannot.
        try:
            return well_formed(json.dumps(to_jsonable_python(message), ensure_ascii=False)).encode()
        except (PydanticSerializationError, ValueError):
            raise UserError(f"This {type(message).__name__} cannot be written as JSON: {error}") from error


def _is_protobuf(cls: type[Any]) -> bool:
    return any(base.__module__ == "google.protobuf.message" and base.__name__ == "Message" for base in cls.__mro__)


def _hints(cls: type[Any]) -> dict[str, Any]:
    fields = [field for field in dataclasses.fields(cls) if field.init]
    try:
        hints = get_type_hints(cls)
    except Exception:  # a name that is not there at run time: only a wire needs it
        hints = {field.name: field.type for field in fields}
    return {field.name: hints[field.name] for field in fields}


def _parts(hint: Any) -> Iterator[Any]:
    yield hint
    for part in get_args(hint):
        yield from _parts(part)


def _unreadable(hint: Any) -> str:
    if get_origin(hint) in (Union, types.UnionType):
        return "is a union"
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return f"holds the dataclass {hint.__name__}"
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return f"holds the pydantic model {hint.__name__}"
    return ""


def _class_of(serializer: MessageSerializer[Any]) -> Any:
    return getattr(serializer, "cls", None)


def _address(cls: Any) -> str:
    return f"{cls.__module__}.{cls.__qualname__}" if isinstance(cls, type) else ""


def _where(serializer: MessageSerializer[Any]) -> str:
    return _address(_class_of(serializer)) or repr(serializer)


def _named_apart(first: MessageSerializer[Any], second: MessageSerializer[Any]) -> bool:
    """Whether two serializers of one name are for two classes; one that names no class is taken for a replacement."""
    ours, theirs = _address(_class_of(first)), _address(_class_of(second))
    return bool(ours and theirs and ours != theirs)
