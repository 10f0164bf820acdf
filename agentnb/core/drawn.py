"""Configs drawn from constructors: arguments are captured as `__init__` runs, written as plain data, and read back."""

from __future__ import annotations

import difflib
import enum
import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple, get_type_hints

from pydantic import BaseModel, ConfigDict, PydanticUserError, SecretBytes, SecretStr, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from agentnb.core.providers import PLAIN, looks_like_component
from agentnb.core.secrets import MASK, NOT_WRITTEN, SecretReference, from_environment, left_out
from agentnb.core.text import well_formed
from agentnb.exceptions import UserError


class Call(NamedTuple):
    """A constructor call as it was made."""

    cls: type[Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def capture(cls: type[Any]) -> None:
    """Let the constructor of a class remember what it is called with."""
    owner = next(base for base in cls.__mro__ if "__init__" in vars(base))
    init = vars(owner)["__init__"]
    # A protocol's constructor finds the real one by comparing itself with the class's: it must stay in its place.
    if inspect.isfunction(init) and not _captures(init) and not getattr(owner, "_is_protocol", False):
        setattr(cls, "__init__", _capturing(init))  # noqa: B010 - mypy knows no assignment to it


def _capturing(init: Any) -> Any:
    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        # The outermost constructor sees what the user wrote; those it calls through super() do not count.
        self.__dict__.setdefault("_arguments", Call(type(self), args, kwargs))
        init(self, *args, **kwargs)

    __init__.__dict__["_captures"] = True
    return __init__


def _captures(init: Any) -> bool:
    return getattr(init, "_captures", False)


class Constructor:
    """What a class's constructor takes."""

    def __init__(self, cls: type[Any]) -> None:
        self.init: Any = cls.__init__
        if inspect.isfunction(self.init):
            signature = inspect.signature(self.init)
            signature = signature.replace(parameters=list(signature.parameters.values())[1:])
        else:
            signature = inspect.signature(cls)
        self.signature = signature
        self.parameters = signature.parameters
        self.rest = next((p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD), None)
        self.several = next((p.name for p in signature.parameters.values() if p.kind is p.VAR_POSITIONAL), None)
        self._names = [p.name for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        self._adapters: dict[str, tuple[TypeAdapter[Any], ...]] = {}

    @classmethod
    def of(cls, component: type[Any]) -> Constructor:
        """Return that of a class; it is read once."""
        known: Constructor | None = component.__dict__.get("_component_constructor")
        if known is None or known.init is not component.__init__:
            known = cls(component)
            type.__setattr__(component, "_component_constructor", known)
        return known

    @functools.cached_property
    def hints(self) -> dict[str, Any]:
        """The annotations by parameter; those that only a type checker can read are left out."""
        try:
            return get_type_hints(self.init, include_extras=True)
        except (NameError, TypeError, AttributeError):
            pass
        plain = inspect.unwrap(self.init)
        hints: dict[str, Any] = {}
        for name, annotation in inspect.get_annotations(plain).items():
            try:
                alone = SimpleNamespace(__annotations__={name: annotation})
                hints |= get_type_hints(alone, globalns=plain.__globals__, include_extras=True)
            except (NameError, TypeError, AttributeError):
                continue
        return hints

    def named(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call that succeeded, by name: parameters in their order, then all others."""
        names = self._names
        if not kwargs and self.several is None:
            return dict(zip(names, args, strict=False))
        if self.several is not None:
            names = names[: names.index(self.several)]
            given = {**dict(zip(names, args, strict=False)), **kwargs}
            if len(args) > len(names):
                given[self.several] = args[len(names) :]
        else:
            given = {**dict(zip(names, args, strict=False)), **kwargs}
        return {name: given.pop(name) for name in self._names if name in given} | given

    def fitting(self, name: str, value: Any) -> Any:
        """Return plain data as the type a parameter asks for: a path, messages, an enumeration."""
        if value is None or name not in self.hints:
            return value
        if name not in self._adapters:
            self._adapters[name] = _adapters(self.hints[name])
        for adapter in self._adapters[name]:
            try:
                return adapter.validate_python(value)
            except (PydanticUserError, ValidationError, TypeError):
                continue
        return value  # the constructor knows better what is wrong with it


def _adapters(hint: Any) -> tuple[TypeAdapter[Any], ...]:
    try:
        return (TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True)),)
    except PydanticUserError:
        pass  # a model, which brings its own config
    except TypeError:
        return ()
    try:
        return (TypeAdapter(hint),)
    except (PydanticUserError, TypeError):
        return ()


@functools.lru_cache(maxsize=1024)
def _made_of_fields(cls: type[Any]) -> bool:
    return is_dataclass(cls) and not _captures(getattr(cls, "__init__"))  # noqa: B009 - mypy takes a class for an object here


def arguments_of(component: Any) -> dict[str, Any]:
    """Return the arguments a component was made with, by name.

    Raises:
        UserError: If its constructor was not seen running.
    """
    cls: Any = type(component)
    if _made_of_fields(cls):
        return {field.name: getattr(component, field.name) for field in fields(cls) if field.init}
    call = component.__dict__.get("_arguments")
    if call is None:
        if cls.__init__ is object.__init__:
            return {}
        raise UserError(f"How this {cls.__name__} was made is not known; define {cls.__name__}._to_config.")
    _, args, kwargs = call
    return Constructor.of(cls).named(args, kwargs) if args or kwargs else {}


def draw(drawn: Any, *, component: Nested, strict: bool) -> dict[str, Any]:
    """Write the arguments a component was made with.

    Args:
        drawn: An object whose class captures its arguments.
        component: Writes a nested component.
        strict: Whether what cannot be written is an error, or shown by the name of its class.

    None is written only where leaving it out would mean something else.
    """
    cls = type(drawn)
    given = arguments_of(drawn)
    if not given:
        return {}
    parameters = Constructor.of(cls).parameters
    config = {}
    for name, value in given.items():
        if value is None and (name not in parameters or parameters[name].default is None):
            continue
        if name in cls.component_secrets and value is not None:
            config[name] = SecretReference(env=cls.component_secrets[name]).model_dump()
        else:
            config[name] = write_plain(value, f"{cls.__name__}.{name}", component=component, strict=strict)
    return config


def make(cls: type[Any], config: Mapping[str, Any], load: Callable[[Mapping[str, Any]], Any]) -> Any:
    """Call a class with the arguments of a config.

    Args:
        cls: The class.
        config: What `draw` wrote.
        load: Makes the object of a nested component.

    Raises:
        UserError: If a key is no argument of the class, one that it needs is missing, or a secret that it needs is
            not found.
    """
    constructor = Constructor.of(cls)
    parameters = constructor.parameters
    given: dict[str, Any] = {}
    others: dict[str, Any] = {}
    missing: dict[str, Any] = {}
    for key, value in config.items():
        known = key in parameters and key != constructor.rest
        if not known and constructor.rest is None:
            near = difflib.get_close_matches(key, list(parameters), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UserError(f"{cls.__name__} takes no {key!r}.{hint}")
        required = known and parameters[key].default is inspect.Parameter.empty
        if left_out(cls, key, value, hint=constructor.hints.get(key), required=required):
            if required:
                given[key] = constructor.fitting(key, from_environment(cls, key))
            else:
                missing[key] = SecretStr(MASK)
            continue
        read = read_plain(value, load)
        if not known:
            others[key] = constructor.fitting(str(constructor.rest), read)
        elif key == constructor.several:
            given[key] = [constructor.fitting(key, item) for item in read]
        else:
            given[key] = constructor.fitting(key, read)
    lacking = [repr(name) for name, parameter in parameters.items() if _is_required(parameter) and name not in given]
    if lacking:
        raise UserError(f"The config of a {cls.__name__} lacks {', '.join(lacking)} (it has: {_named(config)}).")
    made = _call(cls, constructor, given, others)
    if missing and "_arguments" in vars(made):
        # What the class found by itself is written as a reference again.
        called, args, kwargs = vars(made)["_arguments"]
        vars(made)["_arguments"] = Call(called, args, missing | kwargs)
    return made


def _is_required(parameter: inspect.Parameter) -> bool:
    variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    return not variadic and parameter.default is parameter.empty


def _named(config: Mapping[str, Any]) -> str:
    return ", ".join(map(repr, config)) or "nothing"


def _call(cls: type[Any], constructor: Constructor, given: dict[str, Any], others: dict[str, Any]) -> Any:
    positional = []
    for parameter in constructor.parameters.values():
        follows = constructor.several in given and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        if parameter.name in given and (parameter.kind is parameter.POSITIONAL_ONLY or follows):
            positional.append(given.pop(parameter.name))
    return cls(*positional, *given.pop(str(constructor.several), ()), **given, **others)


Nested = Callable[[Any], dict[str, Any] | None]
"""Writes a nested component; None for what is no component."""

_SORTS: tuple[tuple[str, tuple[type[Any], ...]], ...] = (
    ("enum", (enum.Enum,)),
    ("number", (type(None), bool, int)),
    ("float", (float,)),
    ("text", (str,)),
    ("secret", (SecretStr, SecretBytes)),
    ("model", (BaseModel,)),
)


@functools.lru_cache(maxsize=1024)
def _sort(cls: type[object]) -> str:
    if cls is list or cls is tuple:
        return "list"
    return next((sort for sort, classes in _SORTS if issubclass(cls, classes)), "other")


def write_plain(value: Any, where: str, *, component: Nested, strict: bool) -> Any:
    """Write an argument as JSON-ready data.

    Args:
        value: The argument.
        where: What it is, for errors.
        component: Writes a nested component.
        strict: Whether what cannot be written is an error, or shown by the name of its class.

    Raises:
        UserError: If it cannot be written.
    """
    cls: Any = type(value)
    match _sort(cls):
        case "number":
            return value
        case "text":
            return well_formed(value)
        case "float":
            return value if math.isfinite(value) else str(value)  # JSON has no word for it
        case "enum":
            return write_plain(value.value, where, component=component, strict=strict)
        case "list":
            return _items(value, where, component, strict)
        case "secret":
            return dict(NOT_WRITTEN)
        case "model":
            try:
                return _marked(value.model_dump(mode="json", exclude_none=not _means_none(value)))
            except (PydanticSerializationError, UnicodeEncodeError):
                return _unwritten(value, where, strict)  # a field of its own that cannot be written
    nested = component(value)
    if nested is not None:
        return nested
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    match value:
        case Mapping():
            if not all(isinstance(key, str | int | float | enum.Enum) for key in value):
                return _unwritten(value, where, strict)
            written = {
                str(write_plain(key, where, component=component, strict=strict)): write_plain(
                    item, f"{where}[{key!r}]", component=component, strict=strict
                )
                for key, item in value.items()
            }
            return {PLAIN: written} if _ambiguous(written) else written
        case set() | frozenset():
            several = [write_plain(item, where, component=component, strict=strict) for item in value]
            return sorted(several, key=repr)
        case Sequence() if not isinstance(value, bytes | bytearray | memoryview):
            return _items(value, where, component, strict)
    try:
        return to_jsonable_python(value)
    except (PydanticSerializationError, UnicodeDecodeError):
        return _unwritten(value, where, strict)


def _items(value: Sequence[Any], where: str, component: Nested, strict: bool) -> list[Any]:
    return [
        write_plain(item, f"{where}[{place}]", component=component, strict=strict) for place, item in enumerate(value)
    ]


def _unwritten(value: Any, where: str, strict: bool) -> dict[str, Any]:
    if strict:
        raise UserError(
            f"{where} is {value!r}, which cannot be written as JSON. "
            "Give the class a form that can (a component, a model, plain data), or leave the argument out."
        )
    return {"not written": type(value).__qualname__}


def _means_none(model: BaseModel) -> bool:
    """Whether a field is None where leaving it out would mean something else."""
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel) and _means_none(value):
            return True
        if value is None and (field.default is not None or field.default_factory is not None):
            return True
    return False


def _ambiguous(data: Mapping[str, Any]) -> bool:
    return looks_like_component(data) or set(data) == {PLAIN} or data == NOT_WRITTEN


def _marked(data: Any) -> Any:
    """Mark, within JSON data, what only looks like a component: what a model said must never become an object."""
    if isinstance(data, dict):
        marked = {key: _marked(item) for key, item in data.items()}
        return {PLAIN: marked} if _ambiguous(marked) else marked
    return [_marked(item) for item in data] if isinstance(data, list) else data


def read_plain(data: Any, load: Callable[[Mapping[str, Any]], Any]) -> Any:
    """Return written data with its components made, as new dicts and lists."""
    if isinstance(data, Mapping):
        if set(data) == {PLAIN} and isinstance(data[PLAIN], Mapping):
            return {key: read_plain(item, load) for key, item in data[PLAIN].items()}
        if looks_like_component(data):
            return load(data)
        return {key: read_plain(item, load) for key, item in data.items()}
    if isinstance(data, list | tuple):
        return [read_plain(item, load) for item in data]
    return data
