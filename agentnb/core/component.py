"""Objects that can be written as JSON and made again: arguments are captured as `__init__` runs."""

from __future__ import annotations

import difflib
import enum
import functools
import importlib
import inspect
import os
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import PurePath
from typing import Any, ClassVar, Self, get_type_hints

from pydantic import BaseModel, ConfigDict, PydanticUserError, SecretStr, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from agentnb.exceptions import UserError

_OLD_ROOTS = ("autogen_agentchat", "autogen_core", "autogen_ext")
_TRUSTED_VARIABLE = "AGENTNB_TRUSTED_NAMESPACES"
_NOT_WRITTEN = {"secret": "not written"}


class ComponentModel(BaseModel, defer_build=True):
    """One component as JSON; the format is AutoGen's."""

    provider: str
    component_type: str | None = None
    version: int | None = None
    component_version: int | None = None
    description: str | None = None
    label: str | None = None
    config: dict[str, Any]


class SecretReference(BaseModel, frozen=True, defer_build=True):
    """Where a secret is found again; the secret itself is never written."""

    env: str
    """The environment variable that holds it."""


class Component:
    """An object whose constructor call can be written down and repeated.

    Subclasses write an ordinary `__init__`; nothing else is needed. Arguments named in `component_secrets` are
    written as references to the environment variable given there.
    """

    component_type: ClassVar[str] = ""
    component_version: ClassVar[int] = 1
    component_provider_override: ClassVar[str | None] = None
    component_secrets: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            setattr(cls, "__init__", _capturing(cls.__init__))  # noqa: B010 - mypy knows no assignment to it

    def dump_component(self) -> ComponentModel:
        """Write this object as JSON-ready data.

        Raises:
            TypeError: If the class is local to a function.
            UserError: If an argument cannot be written, such as a function or an open connection.
        """
        return _dump(self, strict=True)

    def describe_component(self) -> ComponentModel:
        """Write this object for a reader: what cannot be written is shown as its `repr`."""
        return _dump(self, strict=False)

    @classmethod
    def load_component(cls, model: ComponentModel | Mapping[str, Any], expected: type[Any] | None = None) -> Self:
        """Make the object a `ComponentModel` describes.

        Raises:
            ValueError: If the provider is malformed or not in a trusted namespace.
            UserError: If a config key is no argument of the class.
            TypeError: If the object is not an instance of `expected`, or of this class.
        """
        made = _load(ComponentModel.model_validate(model))
        wanted = expected or cls
        if not isinstance(made, wanted):
            raise TypeError(f"The component is a {type(made).__name__}, not a {wanted.__name__}.")
        return made


def _capturing(init: Any) -> Any:
    @functools.wraps(init)
    def __init__(self: Component, *args: Any, **kwargs: Any) -> None:
        # The outermost constructor sees what the user wrote; those it calls through super() do not count.
        self.__dict__.setdefault("_arguments", (init, args, kwargs))
        init(self, *args, **kwargs)

    return __init__


def _captured(component: Component) -> dict[str, Any]:
    init, args, kwargs = component.__dict__.get("_arguments", (None, (), {}))
    if init is None:
        return {}
    signature = inspect.signature(init)
    arguments = signature.bind(component, *args, **kwargs).arguments
    arguments.pop(next(iter(signature.parameters)))
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments.update(arguments.pop(parameter.name, {}))
    return dict(arguments)


def provider_of(cls: type[Any]) -> str:
    """Return the path a component's class is loaded from, `room.Class` where the room exports it.

    Raises:
        TypeError: If the class is local to a function.
    """
    override: str | None = getattr(cls, "component_provider_override", None)
    if override:
        return override
    if "<locals>" in cls.__qualname__:
        raise TypeError(f"{cls.__qualname__} is local to a function and cannot be loaded again; define it in a module.")
    room = ".".join(cls.__module__.split(".")[:2])
    if cls.__module__.startswith("agentnb.") and getattr(importlib.import_module(room), cls.__name__, None) is cls:
        return f"{room}.{cls.__name__}"
    return f"{cls.__module__}.{cls.__qualname__}"


def _dump(component: Component, *, strict: bool) -> ComponentModel:
    cls = type(component)
    try:
        provider = provider_of(cls)
    except TypeError:
        if strict:
            raise
        provider = f"{cls.__module__}.{cls.__qualname__}"
    config = {}
    for name, value in _captured(component).items():
        if value is None:
            continue
        if name in cls.component_secrets:
            config[name] = SecretReference(env=cls.component_secrets[name]).model_dump()
        else:
            config[name] = _write(value, f"{cls.__name__}.{name}", strict=strict)
    return ComponentModel(
        provider=provider,
        component_type=cls.component_type or None,
        version=cls.component_version,
        component_version=cls.component_version,
        description=(inspect.getdoc(cls) or "").partition("\n\n")[0] or None,
        label=cls.__name__,
        config=config,
    )


def _write(value: Any, where: str, *, strict: bool) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value.value if isinstance(value, enum.Enum) else value
        case Component():
            return _dump(value, strict=strict).model_dump(exclude_none=True)
        case SecretStr():
            return dict(_NOT_WRITTEN)
        case BaseModel():
            try:
                return value.model_dump(mode="json", exclude_none=True)
            except PydanticSerializationError:
                pass  # a field of its own that cannot be written
        case enum.Enum():
            return value.value
        case datetime() | date():
            return value.isoformat()
        case PurePath():
            return str(value)
        case Mapping():
            return {str(key): _write(item, f"{where}[{key!r}]", strict=strict) for key, item in value.items()}
        case Sequence() | set() | frozenset() if not isinstance(value, bytes):
            return [_write(item, f"{where}[{i}]", strict=strict) for i, item in enumerate(value)]
    if strict:
        raise UserError(
            f"{where} is {value!r}, which cannot be written as JSON. "
            "Give the class a form that can (a component, a model, plain data), or leave the argument out."
        )
    return {"not written": type(value).__qualname__}


def _trusted(module: str) -> bool:
    extra = os.environ.get(_TRUSTED_VARIABLE, "")
    prefixes = ["agentnb", *(name.strip() for name in extra.split(",") if name.strip())]
    return any(module == prefix.rstrip(".") or module.startswith(prefix.rstrip(".") + ".") for prefix in prefixes)


def _load(model: ComponentModel) -> Any:
    module, dot, name = model.provider.rpartition(".")
    if not dot:
        raise ValueError(f"The provider {model.provider!r} names no module; write 'package.module.Class'.")
    root, _, rest = module.partition(".")
    if root in _OLD_ROOTS:
        module = f"agentnb.{rest}" if rest else "agentnb"
    if not _trusted(module):
        raise ValueError(
            f"The provider {model.provider!r} is outside the trusted namespaces, and loading it would run its code. "
            f"If you trust it, add {root!r} to the environment variable {_TRUSTED_VARIABLE} (a comma list)."
        )
    cls = getattr(importlib.import_module(module), name, None)
    if not (inspect.isclass(cls) and issubclass(cls, Component)):
        raise TypeError(f"{model.provider} is not a component.")
    return _make(cls, model.config)


def _make(cls: type[Component], config: Mapping[str, Any]) -> Component:
    parameters = inspect.signature(cls).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    hints = _hints(cls)
    several: list[Any] = []
    arguments = {}
    for key, value in config.items():
        if key not in parameters and not open_ended:
            near = difflib.get_close_matches(key, list(parameters), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UserError(f"{cls.__name__} takes no {key!r}.{hint}")
        if key in cls.component_secrets or value == _NOT_WRITTEN:
            continue  # the class reads its own environment variable
        if key in parameters and parameters[key].kind is inspect.Parameter.VAR_POSITIONAL:
            several = [_fitting(item, hints.get(key)) for item in _read(value)]
        else:
            arguments[key] = _fitting(_read(value), hints.get(key))
    return cls(*several, **arguments)


def _hints(cls: type[Component]) -> dict[str, Any]:
    try:
        return get_type_hints(cls.__init__, include_extras=True)
    except (NameError, TypeError):
        return {}  # annotations that only a type checker can read


def _fitting(value: Any, hint: Any) -> Any:
    """Return plain data as the type a parameter asks for: a path, messages, an enumeration."""
    if hint is None or value is None:
        return value
    try:
        return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True)).validate_python(value)
    except PydanticUserError:
        try:
            return TypeAdapter(hint).validate_python(value)  # a model, which brings its own config
        except (PydanticUserError, ValidationError, TypeError):
            return value
    except (ValidationError, TypeError):
        return value  # the constructor knows better what is wrong with it


def _read(value: Any) -> Any:
    if isinstance(value, Mapping):
        if "provider" in value and "config" in value:
            return _load(ComponentModel.model_validate(value))
        return {key: _read(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_read(item) for item in value]
    return value
