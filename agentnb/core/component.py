"""Objects that can be written as JSON and made again."""

from __future__ import annotations

import copy
import inspect
import warnings
from abc import ABC
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeGuard, TypeVar, cast, overload

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from agentnb.core import drawn, providers, secrets
from agentnb.core.consent import consenting
from agentnb.exceptions import UserError

ComponentType = Literal["model", "agent", "tool", "termination", "token_provider", "workbench"] | str
"""What kind of thing a component is; any word will do."""

ExpectedT = TypeVar("ExpectedT")

if TYPE_CHECKING:
    from typing import Generic

    from typing_extensions import TypeVar as TypeVarWithDefault

    ConfigT = TypeVarWithDefault("ConfigT", bound=BaseModel, default=Any)
else:
    ConfigT = TypeVar("ConfigT", bound=BaseModel)

    class Generic:
        """Takes a config class in brackets for type checkers; the class stays the same.

        `typing.Generic` would fix the order of bases, and users combine these with `ABC` and it in any.
        """

        def __class_getitem__(cls, parameters: Any) -> Any:
            generic = getattr(super(), "__class_getitem__", None)
            return cls if generic is None else generic(parameters)


class ComponentModel(BaseModel, defer_build=True):
    """One component as JSON; the format is AutoGen's."""

    provider: str
    """The path of its class."""
    component_type: ComponentType | None = None
    version: int | None = None
    """As `component_version`; readers of the format expect both."""
    component_version: int | None = None
    """The version of its class when it was written; None stands for the present one."""
    description: str | None = None
    label: str | None = None
    config: dict[str, Any]
    """What the class is made again from."""


class ComponentFromConfig(Generic[ConfigT]):
    """Can be made from a config."""

    @classmethod
    def _from_config(cls, config: ConfigT) -> Self:
        """Make the object a config describes; by default its keys are the constructor's arguments.

        Define it together with `component_config_schema`: the config is then an instance of that model.
        """
        data = config.model_dump() if isinstance(config, BaseModel) else config
        return cast(Self, drawn.make(cls, cast(Mapping[str, Any], data), _load))

    @classmethod
    def _from_config_past_version(cls, config: dict[str, Any], version: int) -> Self:
        """Make the object that an older version of the class wrote.

        Args:
            config: The config as it was written; it may be changed and given to `_from_config`.
            version: The version of the class that wrote it.
        """
        raise NotImplementedError(f"{cls.__name__} does not read configs of version {version}.")


class ComponentToConfig(Generic[ConfigT]):
    """Can be written as a config."""

    component_secrets: ClassVar[Mapping[str, str]] = {}
    """The environment variable of each argument that is a secret."""
    component_defaults: ClassVar[Mapping[str, Any]] = {}
    """Arguments that are written also where they were left out."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        drawn.capture(cls)

    def _to_config(self) -> ConfigT:
        """Return the config this object is made again from; by default the arguments it was made with."""
        return cast(ConfigT, _DrawnConfig(**_draw(self, strict=True)))

    def dump_component(self) -> ComponentModel:
        """Write this object as JSON-ready data.

        Raises:
            TypeError: If the class is local to a function.
            AttributeError: If the class defines `_to_config` and lacks `component_type`.
            UserError: If an argument cannot be written, such as a function or an open connection.
        """
        cls = type(self)
        if not _is_drawn(cls, "_to_config"):
            _require(cls, "component_type")
            config = self._to_config().model_dump(exclude_none=True)
            for name in config.keys() & cls.component_secrets.keys():
                config[name] = secrets.SecretReference(env=cls.component_secrets[name]).model_dump()
        else:
            config = _draw(self, strict=True)
        return ComponentModel(provider=providers.provider_of(cls), **_about(cls), config=config)

    def describe_component(self) -> ComponentModel:
        """Write this object for a reader: what cannot be written is shown by the name of its class."""
        return ComponentModel(**_description(self))

    def _describe_config(self) -> dict[str, Any]:
        if type(self)._to_config is ComponentToConfig._to_config:
            return _draw(self, strict=False)
        return cast(dict[str, Any], as_shown(self._to_config().model_dump(exclude_none=True)))


def _is_drawn(cls: type[Any], method: str) -> bool:
    default = ComponentToConfig if method == "_to_config" else ComponentFromConfig
    found, ours = getattr(cls, method), getattr(default, method)
    return getattr(found, "__func__", found) is getattr(ours, "__func__", ours)


def _problems(cls: type[Any]) -> list[str]:
    """Name what a class of AutoGen's kind lacks; one that relies on its constructor lacks nothing."""
    own = [name for name in ("_to_config", "_from_config") if name in vars(cls)]
    if not own or ABC in cls.__bases__:
        return []
    problems = [
        f"defines {own[0]} but no {name}; {what} will be refused."
        for name, what in (("component_type", "dump_component"), ("component_config_schema", "load_component"))
        if not hasattr(cls, name)
    ]
    inherited = [name for name in ("_to_config", "_from_config") if _is_drawn(cls, name)]
    if "component_config_schema" in vars(cls) and len(inherited) == 1:
        problems.append(f"defines {own[0]} but no {inherited[0]}; its constructor's arguments stand in for it.")
    return problems


class ComponentSchemaType(Generic[ConfigT]):
    """Says what kind of component it is, and what its configs look like.

    Classes whose config is drawn from the constructor need none of this.
    """

    component_type: ClassVar[ComponentType]
    component_config_schema: type[ConfigT]
    """The model of configs, for classes that define `_from_config`."""
    component_version: ClassVar[int] = 1
    """Raise it when old configs no longer fit, and define `_from_config_past_version`."""
    component_provider_override: ClassVar[str | None] = None
    """The path to write instead of the class's own."""
    component_description: ClassVar[str | None] = None
    """Default: the first paragraph of the docstring."""
    component_label: ClassVar[str | None] = None
    """Default: the class's name."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for problem in _problems(cls):
            warnings.warn(f"{cls.__qualname__} {problem}", UserWarning, stacklevel=2)


class ComponentLoader:
    """Makes objects from what was written."""

    @overload
    @classmethod
    def load_component(
        cls, model: ComponentModel | Mapping[str, Any], expected: None = None, *, allow_code: bool = False
    ) -> Self: ...

    @overload
    @classmethod
    def load_component(
        cls, model: ComponentModel | Mapping[str, Any], expected: type[ExpectedT], *, allow_code: bool = False
    ) -> ExpectedT: ...

    @classmethod
    def load_component(
        cls,
        model: ComponentModel | Mapping[str, Any],
        expected: type[Any] | None = None,
        *,
        allow_code: bool = False,
    ) -> Any:
        """Make the object a `ComponentModel` describes; the model itself stays as it is.

        Args:
            model: What `dump_component` wrote, or AutoGen did.
            expected: The class it must be of; default: this class.
            allow_code: Whether source code that the config carries may be run, here and in nested components.

        Raises:
            pydantic.ValidationError: If it is no component's JSON.
            UserError: If the provider is malformed or not in a trusted namespace, here or in a nested component; if a
                config key is no argument of the class; if a newer version of the class wrote it.
            CodeNotAllowed: If the config carries source code and `allow_code` was not given.
            NotImplementedError: If an older version of the class wrote it, and this one does not read it.
            TypeError: If the provider is no component, or not of the class it must be.
        """
        with consenting(allow_code):
            return _load(model, expected or cls)


class ComponentBase(ComponentToConfig[ConfigT], ComponentLoader):
    """What a family of components has in common; AutoGen's name. `Component` alone is enough."""


# `ComponentToConfig[Any]`: families are `ComponentBase[BaseModel]`, and their classes name another config than that.
class Component(ComponentFromConfig[ConfigT], ComponentSchemaType[ConfigT], ComponentToConfig[Any], ComponentLoader):
    """An object whose constructor call can be written down and repeated.

    ```python
    condition = MaxMessageTermination(10) | TextMentionTermination("DONE")
    again = TerminationCondition.load_component(condition.dump_component())
    ```

    Subclasses write an ordinary `__init__`; nothing else is needed. Arguments named in `component_secrets` are
    written as references to the environment variable given there. Classes that define `component_config_schema`,
    `_to_config` and `_from_config`, as AutoGen asks for, are written and made by those.
    """


class _DrawnConfig(BaseModel, extra="allow", defer_build=True):
    """Arguments, for classes that go on from what their base class writes."""


def as_shown(value: Any) -> Any:
    """Return a value as JSON-ready data; what cannot be written is shown by the name of its class."""
    return to_jsonable_python(value, fallback=lambda value: {"not written": type(value).__qualname__})


def described(component: ComponentToConfig[Any]) -> dict[str, Any]:
    """Return what `describe_component` says as JSON-ready data, without what is None."""
    if type(component).describe_component is not ComponentToConfig.describe_component:
        return component.describe_component().model_dump(mode="json", exclude_none=True)
    return _description(component)  # without models in between: every run begins with this, for all that takes part


def is_component_class(cls: type[Any]) -> TypeGuard[type[Component[Any]]]:
    """Whether a class can be written and made again."""
    return all(issubclass(cls, part) for part in (ComponentFromConfig, ComponentSchemaType, *ComponentBase.__bases__))


def is_component_instance(obj: Any) -> TypeGuard[Component[Any]]:
    """Whether an object can be written and made again."""
    return is_component_class(type(obj))


def _require(cls: type[Any], name: str) -> Any:
    if not hasattr(cls, name):
        raise AttributeError(f"{cls.__qualname__} lacks the class variable {name}, which goes with _to_config.")
    return getattr(cls, name)


def _shown(cls: type[Any]) -> dict[str, Any]:
    # Kept with the class: every run is described when it begins, with all that takes part.
    known: dict[str, Any] | None = vars(cls).get("_component_shown")
    if known is None:
        whole = {"provider": providers.provider_of(cls, strict=False), **_about(cls)}
        known = {name: held for name, held in whole.items() if held is not None}
        type.__setattr__(cls, "_component_shown", known)
    return known


@lru_cache(maxsize=1024)
def _first_paragraph(doc: str | None) -> str | None:
    return inspect.cleandoc(doc or "").partition("\n\n")[0] or None


def _description(component: ComponentToConfig[Any]) -> dict[str, Any]:
    cls = type(component)
    config: dict[str, Any]
    try:
        config = component._describe_config()
    except Exception as error:  # a class's own code, which may raise anything: a description must not end a run
        config = {"not written": f"{type(error).__name__}: {error}"}
    return {**_shown(cls), "config": config}


def _about(cls: type[Any]) -> dict[str, Any]:
    version = getattr(cls, "component_version", 1)
    return {
        "component_type": getattr(cls, "component_type", None),
        "version": version,
        "component_version": version,
        "description": getattr(cls, "component_description", None) or _first_paragraph(cls.__doc__),
        "label": getattr(cls, "component_label", None) or cls.__name__,
    }


def _dumped(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, ComponentToConfig):
        return None
    return {name: held for name, held in value.dump_component() if held is not None}


def _described_part(value: Any) -> dict[str, Any] | None:
    return described(value) if isinstance(value, ComponentToConfig) else None


def _draw(component: ComponentToConfig[Any], *, strict: bool) -> dict[str, Any]:
    config = drawn.draw(component, component=_dumped if strict else _described_part, strict=strict)
    if component.component_defaults:
        known = drawn.Constructor.of(type(component)).signature.parameters
        config |= {n: v for n, v in component.component_defaults.items() if n in known and n not in config}
    return config


def _load(data: ComponentModel | Mapping[str, Any], wanted: type[Any] = object) -> Any:
    model = ComponentModel.model_validate(data)
    path = providers.address(model.provider)
    providers.require_trusted(model.provider, path)
    for provider in providers.nested_providers(model.config):
        if "." in provider:  # else it is no path, and nothing can be imported for it
            providers.require_trusted(provider, providers.address(provider))
    cls = providers.find(path)
    if not (inspect.isclass(cls) and is_component_class(cls)):
        raise TypeError(f"{model.provider} is not a component.")
    if inspect.isabstract(cls):
        raise TypeError(f"{model.provider} is abstract: it stands for its subclasses and cannot be made.")
    if not getattr(wanted, "_is_protocol", False) and not issubclass(cls, wanted):
        raise TypeError(f"The component is a {cls.__name__}, not a {wanted.__name__}.")
    made = _make(cls, model)
    if not isinstance(made, wanted):
        raise TypeError(f"The component is a {type(made).__name__}, not a {wanted.__name__}.")
    return made


def _make(cls: type[Component[Any]], model: ComponentModel) -> Any:
    present = cls.component_version
    version = present if model.component_version is None else model.component_version
    if version > present:
        raise UserError(
            f"The config of {cls.__name__} is of version {version}, and the {cls.__name__} here is version {present}. "
            f"Update the package that brings {model.provider}."
        )
    # A class may change what it is given; the caller's model is not its own.
    config = copy.deepcopy(model.config)
    if version < present:
        try:
            return cls._from_config_past_version(config, version)
        except NotImplementedError as error:
            raise NotImplementedError(
                f"The config of {cls.__name__} is of version {version}, and the {cls.__name__} here is version "
                f"{present}, which reads no older one: define {cls.__name__}._from_config_past_version."
            ) from error
    if _is_drawn(cls, "_from_config"):
        return cls._from_config(config)
    schema = _require(cls, "component_config_schema")
    return cls._from_config(schema.model_validate(_with_secrets(cls, schema, config)))


def _with_secrets(cls: type[Any], schema: type[BaseModel], config: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a config what only stands for a secret, so that the class looks for it."""
    complete = {}
    for key, value in config.items():
        field = schema.model_fields.get(key)
        required = field is not None and field.is_required()
        if not secrets.left_out(cls, key, value, hint=field and field.annotation, required=required):
            complete[key] = value
        elif required:
            complete[key] = secrets.from_environment(cls, key)
    return complete
