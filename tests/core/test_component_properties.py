"""Every component that can be made of plain data is what it was, once it is written and made again."""

from __future__ import annotations

import collections.abc
import importlib
import importlib.util
import inspect
import json
import os
import pkgutil
import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, is_typeddict

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from agentnb.agents import AssistantAgent, CodeExecutorAgent
from agentnb.base import ChatAgent, TerminationCondition
from agentnb.code_executors import CodeExecutor, JupyterCodeExecutor
from agentnb.conditions import MaxMessageTermination, TextMentionTermination
from agentnb.core import Component, ComponentLoader, is_component_class
from agentnb.core.component import _is_drawn, described
from agentnb.core.drawn import Constructor
from agentnb.messages import LLMMessage
from agentnb.models import ChatCompletionClient
from agentnb.models.replay import ReplayChatCompletionClient
from agentnb.teams import BaseGroupChat
from tests.strategies import json_values, llm_messages, names, results, texts

_ROOMS = ("agents", "base", "cache_store", "conditions", "memory", "model_context", "models", "teams", "tools")
_LOCAL = ("agentnb.models.local", "agentnb.models.openai", "agentnb.models.replay", "agentnb.models.scripted")

short = st.text(max_size=5)
clients = st.builds(ReplayChatCompletionClient, st.lists(short, max_size=3))
executors = st.builds(JupyterCodeExecutor, st.just("python3"), timeout=st.integers(1, 99))
conditions = st.recursive(
    st.builds(MaxMessageTermination, st.integers(1, 9)) | st.builds(TextMentionTermination, st.text(min_size=1)),
    lambda inner: st.builds(lambda a, b: a & b, inner, inner) | st.builds(lambda a, b: a | b, inner, inner),
    max_leaves=3,
)
agents = st.builds(AssistantAgent, names, clients, description=short, system_message=st.none() | short) | st.builds(
    CodeExecutorAgent, names, executors
)

_READY: dict[Any, st.SearchStrategy[Any]] = {
    Any: json_values,
    ChatAgent: agents,
    ChatCompletionClient: clients,
    CodeExecutor: executors,
    LLMMessage: llm_messages,
    Path: st.from_regex(r"/?[a-z]{1,5}(/[a-z]{1,5})?", fullmatch=True).map(Path),
    SecretStr: st.builds(SecretStr, short),
    TerminationCondition: conditions,
    bool: st.booleans(),
    float: st.floats(0, 100),
    int: st.integers(0, 99),
    os.PathLike: st.just(Path("model.gguf")),
    str: texts,
    types.NoneType: st.none(),
}


def made_by(hint: Any) -> st.SearchStrategy[Any] | None:
    """Return values for an annotation, as far as plain data and components go; None if it asks for something else."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is collections.abc.Callable:
        return None
    if inspect.isclass(hint) and issubclass(hint, BaseModel):
        return results if hint.__name__ == "CreateResult" else None
    if hint in _READY or origin in _READY:
        return _READY[hint if hint in _READY else origin]
    if origin is Annotated:
        return made_by(parts[0]) if parts[0] not in get_args(LLMMessage) else None
    if origin is Literal:
        return st.sampled_from(parts)
    if origin in (types.UnionType, Union):
        if set(parts) == set(get_args(get_args(LLMMessage)[0])):
            return llm_messages
        known = [strategy for strategy in map(made_by, parts) if strategy is not None]
        return st.one_of(known) if known else None
    inner = [made_by(part) for part in parts if part is not ...]
    if not inner or None in inner:
        return None
    first: Any = inner[0]
    if origin in (list, collections.abc.Sequence):
        return st.lists(first, max_size=3)
    if origin in (dict, collections.abc.Mapping):
        second: Any = inner[1]
        return st.dictionaries(names, second, max_size=3)
    return None


def calls(cls: type[Any]) -> st.SearchStrategy[tuple[list[Any], dict[str, Any]]] | None:
    """Return argument lists for a class; None if it cannot be made of plain data."""
    constructor = Constructor.of(cls)
    given: dict[str, Any] = {}
    optional: dict[str, Any] = {}
    several: st.SearchStrategy[list[Any]] = st.just([])
    for parameter in constructor.signature.parameters.values():
        strategy = names if parameter.name == "name" else made_by(constructor.hints.get(parameter.name))
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            several = several if strategy is None else st.lists(strategy, max_size=3)
        elif strategy is None and parameter.default is parameter.empty:
            return None
        elif strategy is not None and not is_typeddict(constructor.hints[parameter.name]):
            (given if parameter.default is parameter.empty else optional)[parameter.name] = strategy
    return st.tuples(several, st.fixed_dictionaries(given, optional=optional))


def classes() -> list[type[Any]]:
    modules = [f"agentnb.{room}" for room in _ROOMS] + list(_LOCAL)
    rooms = [room for room in modules if importlib.util.find_spec(room)]
    for room in tuple(rooms):
        held = importlib.import_module(room)
        if hasattr(held, "__path__"):
            skipped = {"agentnb.models.wire"}
            rooms += [m.name for m in pkgutil.iter_modules(held.__path__, f"{room}.") if m.name not in skipped]
    found = {
        value
        for room in rooms
        for value in vars(importlib.import_module(room)).values()
        if inspect.isclass(value) and value.__module__.startswith("agentnb.") and is_component_class(value)
    }
    drawn = {cls for cls in found if not inspect.isabstract(cls) and _is_drawn(cls, "_to_config")}
    # A team of no kind needs a policy, which is a function.
    return sorted(drawn - {Component, BaseGroupChat}, key=lambda cls: cls.__qualname__)


PLAIN = {cls: strategy for cls in classes() if (strategy := calls(cls)) is not None}


def test_most_classes_can_be_made_of_plain_data() -> None:
    names = {cls.__name__ for cls in PLAIN}

    assert {
        "AndTerminationCondition",
        "BufferedChatCompletionContext",
        "CodeExecutorAgent",
        "InMemoryStore",
        "MaxMessageTermination",
        "OpenAIChatCompletionClient",
        "OrTerminationCondition",
        "ReplayChatCompletionClient",
        "RoundRobinGroupChat",
        "ScriptedChatCompletionClient",
        "SourceMatchTermination",
        "TextMentionTermination",
        "UnboundedChatCompletionContext",
    } <= names


def without_hashes(value: Any) -> Any:
    """Leave out what a description says of prepared answers besides what is written of them."""
    if isinstance(value, dict):
        return {key: without_hashes(one) for key, one in value.items() if key != "cassette"}
    return [without_hashes(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("cls", PLAIN, ids=lambda cls: cls.__name__)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_what_was_written_and_made_again_is_written_alike(cls: type[Any], data: st.DataObject) -> None:
    args, kwargs = data.draw(PLAIN[cls])
    try:
        component = cls(*args, **kwargs)
    except (ValueError, TypeError, KeyError):
        assume(False)

    dumped = component.dump_component()
    made = ComponentLoader.load_component(json.loads(dumped.model_dump_json(exclude_none=True)), expected=cls)

    assert type(made) is cls
    assert made.dump_component() == dumped
    plain = dumped.model_dump(mode="json", exclude_none=True)
    assert without_hashes(component.describe_component().model_dump(mode="json", exclude_none=True)) == plain
    assert without_hashes(described(component)) == plain


nested = st.recursive(
    conditions | json_values | st.floats(0, 1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


class Crate(Component):
    """Holds anything."""

    def __init__(self, *items: Any, label: Any = "a crate", **options: Any) -> None:
        self.items, self.label, self.options = items, label, options


def shown(value: Any) -> Any:
    """Return a value with components by what they are written as."""
    if isinstance(value, Component):
        return ("component", value.dump_component().model_dump_json())
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    return [shown(item) for item in value] if isinstance(value, list) else value


awkward = st.sampled_from(
    [
        {"provider": "os.system", "config": {}},
        {"provider": "agentnb.conditions.StopMessageTermination", "config": {"a": {"provider": "b.C", "config": {}}}},
        {"plain data": {"provider": "agentnb.x.Y", "config": {}}},
        {"plain data": 1},
        {"secret": "not written"},
        {"env": "HOME"},
        {"provider": "a.B", "config": MaxMessageTermination(1)},
        {"provider": "a.B", "config": {"inner": MaxMessageTermination(1)}},
    ]
)


@settings(deadline=None)
@given(st.lists(nested | awkward, max_size=3), nested | awkward)
def test_any_nesting_of_lists_dicts_and_components_comes_back(items: list[Any], label: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGENTNB_TRUSTED_NAMESPACES", __name__)
        dumped = Crate(*items, label=label).dump_component()
        written = json.loads(dumped.model_dump_json(exclude_none=True))
        made = Crate.load_component(written)
        again = Crate.load_component(made.dump_component())

    assert made.dump_component() == dumped
    assert shown([*again.items, again.label]) == shown([*made.items, made.label])
    assert [type(item) for item in made.items] == [type(item) for item in items]
    assert json.dumps(shown(list(made.items))).count('"component"') == json.dumps(shown(items)).count('"component"')
