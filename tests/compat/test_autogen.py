"""The import hook: AutoGen's names in a process that has agentnb."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import logging
import pickle
import pkgutil
import subprocess
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import agentnb
import agentnb.models
from agentnb.compat import autogen
from agentnb.compat.paths import MODULES, ROOTS
from agentnb.exceptions import UserError


@pytest.fixture
def hook() -> Iterator[None]:
    with autogen.installed():
        yield


def _import(name: str) -> Any:
    return importlib.import_module(name)


def test_importing_the_module_changes_nothing() -> None:
    program = "import sys; before = list(sys.meta_path); import agentnb.compat.autogen; print(sys.meta_path == before)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "True\n"


@pytest.mark.parametrize("module", MODULES)
def test_every_module_of_the_table_can_be_imported(hook: None, module: str) -> None:
    assert _import(module).__name__ == module


def test_the_objects_are_agentnbs_own(hook: None) -> None:
    assert _import("autogen_core").AgentId is agentnb.AgentId
    assert isinstance(agentnb.AgentId("a", "b"), _import("autogen_core._agent_id").AgentId)


def test_submodules_are_reached_by_dots_without_being_imported(hook: None) -> None:
    assert _import("autogen_core").models.UserMessage is agentnb.models.UserMessage


def test_the_packages_say_which_autogen_they_stand_for(hook: None) -> None:
    assert [_import(root).__version__ for root in ROOTS] == ["0.7.5"] * 3


def test_a_star_brings_what_all_lists(hook: None) -> None:
    names: dict[str, Any] = {}
    exec("from autogen_agentchat.teams import *", names)

    assert set(names) - {"__builtins__"} == {"BaseGroupChat", "RoundRobinGroupChat"}
    assert "RoutedAgent" in _import("autogen_core").__all__


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("from autogen_agentchat.teams import Swarm", "does not have autogen_agentchat.teams.Swarm yet"),
        ("from autogen_agentchat.teams import Swarm", "There is: .*RoundRobinGroupChat"),
        ("from autogen_ext.tools.mcp import McpWorkbench, mcp_server_tools", "does not have autogen_ext.tools.mcp.Mcp"),
        ("import autogen_agentchat.teams as t; t.Swarm", "does not have autogen_agentchat.teams.Swarm yet"),
        (
            "from autogen_core import RouteAgent",
            "knows no autogen_core.RouteAgent.* There is: autogen_core.RoutedAgent",
        ),
        ("from autogen_core import TextMessage", "There is: autogen_agentchat.messages.TextMessage"),
        ("import autogen_core.nothing", "knows no autogen_core.nothing"),
    ],
)
def test_what_is_not_there_is_an_import_error_that_says_what_is(hook: None, statement: str, says: str) -> None:
    with pytest.raises(ImportError, match=says):
        exec(statement, {})


def test_what_was_never_autogens_can_be_asked_for_politely(hook: None) -> None:
    core = _import("autogen_core")

    assert not hasattr(core, "nothing")
    assert getattr(core, "Nothing", None) is None


def test_a_reload_looks_names_up_again_and_keeps_what_the_program_put_there(hook: None) -> None:
    core = _import("autogen_core")
    core.mine = 1
    seen = core.AgentId

    again = importlib.reload(core)

    assert again is core
    assert "AgentId" not in vars(core)
    assert core.AgentId is seen
    assert core.mine == 1


def test_classes_pickle_and_unpickle_by_either_name(hook: None) -> None:
    cls = _import("autogen_core.models").UserMessage
    old = b"cautogen_core.models._types\nUserMessage\n."  # as a pickle of AutoGen's class reads

    assert pickle.loads(pickle.dumps(cls)) is cls
    assert pickle.loads(old) is cls


def test_inspection_of_modules_and_classes_works(hook: None) -> None:
    models = _import("autogen_core.models")

    module = inspect.getmodule(models.UserMessage)
    assert isinstance(module, types.ModuleType)
    assert module.__name__.startswith("agentnb.")
    assert "UserMessage" in dir(models)
    assert typing.get_type_hints(models) == {}
    assert models.__doc__ == "AutoGen's `autogen_core.models`, looked up in `agentnb.models`."
    assert pkgutil.resolve_name("autogen_core.models.UserMessage") is models.UserMessage
    assert importlib.util.find_spec("autogen_core.models") is not None


def test_annotations_with_the_old_names_are_resolved(hook: None) -> None:
    names: dict[str, Any] = {}
    exec(
        "from __future__ import annotations\nimport autogen_core\n"
        "def f(x: autogen_core.AgentId, y: autogen_core.models.UserMessage): ...",
        names,
    )

    assert typing.get_type_hints(names["f"]) == {"x": agentnb.AgentId, "y": agentnb.models.UserMessage}


def test_uninstalling_takes_the_modules_away(hook: None) -> None:
    _import("autogen_core.models")

    autogen.uninstall()

    assert not [name for name in sys.modules if name.partition(".")[0] in ROOTS]
    assert not autogen.is_installed()
    if importlib.util.find_spec("autogen_core") is None:
        with pytest.raises(ModuleNotFoundError):
            _import("autogen_core")


def test_installing_twice_is_installing_once() -> None:
    autogen.install()
    autogen.install()
    autogen.uninstall()

    assert not autogen.is_installed()
    autogen.uninstall()


def test_the_context_leaves_a_hook_that_was_there_before(hook: None) -> None:
    with autogen.installed():
        pass

    assert autogen.is_installed()


async def test_autogens_event_logger_is_fed_to_who_knows_it_by_name_only(hook: None) -> None:
    core = _import("autogen_core")
    seen: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(json.loads(str(record.msg))["type"])  # type: ignore[method-assign]
    logger = logging.getLogger("autogen_core.events")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)

    async def answer(agent: Any, message: str, ctx: Any) -> str:
        return message

    try:
        runtime = core.SingleThreadedAgentRuntime()
        await core.ClosureAgent.register_closure(runtime, "echo", answer)
        runtime.start()
        await runtime.send_message("hello", core.AgentId("echo", "default"))
        await runtime.stop_when_idle()
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)

    assert seen == ["Message"] * 4


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """Another package under AutoGen's name, imported."""
    (tmp_path / "autogen_core").mkdir()
    (tmp_path / "autogen_core" / "__init__.py").write_text("real = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield _import("autogen_core")
    sys.modules.pop("autogen_core", None)


def test_a_real_autogen_that_is_imported_already_is_not_mixed_with(real: types.ModuleType) -> None:
    with pytest.raises(UserError, match=r"imported already \(autogen_core\).*replace=True"):
        autogen.install()

    assert not autogen.is_installed()
    assert _import("autogen_core") is real


def test_a_real_autogen_can_be_replaced_and_comes_back(real: types.ModuleType) -> None:
    with autogen.installed(replace=True):
        assert _import("autogen_core").AgentId is agentnb.AgentId

    assert _import("autogen_core") is real


def test_a_real_autogen_on_disk_is_imported_after_the_hook_is_gone(real: types.ModuleType) -> None:
    del sys.modules["autogen_core"]
    with autogen.installed():
        assert not hasattr(_import("autogen_core"), "real")

    assert _import("autogen_core").real
