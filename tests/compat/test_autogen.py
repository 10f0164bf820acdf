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
from opentelemetry import trace

import agentnb
import agentnb.models
from agentnb.compat import autogen
from agentnb.compat.paths import MODULES, ROOTS, there
from agentnb.exceptions import UserError
from agentnb.runlog import observed
from tests.telemetry.conftest import Spans

OPENAI, AZURE = "autogen_ext.models.openai", "AzureOpenAIChatCompletionClient"


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


@pytest.mark.parametrize("module", [module for module in MODULES if there(module)])
def test_every_module_of_the_table_that_is_there_can_be_imported(hook: None, module: str) -> None:
    assert importlib.util.find_spec(module) is not None
    assert _import(module).__name__ == module


def test_a_probe_for_a_module_that_is_not_there_finds_nothing_and_raises_nothing(hook: None) -> None:
    unknown = ["autogen_core.nope", "autogen_core.Nope", "autogen_agentchat.teams.nope"]
    found = {module for module in MODULES if there(module)}
    later = [
        module
        for module in set(MODULES) - found
        if module.rpartition(".")[0] in found and not [other for other in found if other.startswith(f"{module}.")]
    ]

    assert [name for name in [*unknown, *later] if importlib.util.find_spec(name) is not None] == []
    for name in later:
        assert not hasattr(_import(name.rpartition(".")[0]), name.rpartition(".")[2])
        with pytest.raises(ModuleNotFoundError, match=f"does not have {name} yet"):
            _import(name)


def test_the_objects_are_agentnbs_own(hook: None) -> None:
    assert _import("autogen_core").AgentId is agentnb.AgentId
    assert isinstance(agentnb.AgentId("a", "b"), _import("autogen_core._agent_id").AgentId)


@pytest.mark.parametrize(
    ("private", "public"),
    [
        ("autogen_agentchat.agents._assistant_agent.AssistantAgent", "agentnb.agents.AssistantAgent"),
        (
            "autogen_agentchat.agents._assistant_agent.AssistantAgentConfig",
            "agentnb.agents.assistant.AssistantAgentConfig",
        ),
        ("autogen_agentchat.agents._base_chat_agent.BaseChatAgent", "agentnb.agents.BaseChatAgent"),
        ("autogen_agentchat.agents._code_executor_agent.RetryDecision", "agentnb.agents.code_writer.RetryDecision"),
        ("autogen_agentchat.agents._message_filter_agent.PerSourceFilter", "agentnb.agents.PerSourceFilter"),
        ("autogen_agentchat.agents._society_of_mind_agent.SocietyOfMindAgent", "agentnb.agents.SocietyOfMindAgent"),
        ("autogen_agentchat.agents._user_proxy_agent.InputFuncType", "agentnb.agents.user_proxy.InputFuncType"),
        ("autogen_agentchat.base._chat_agent.Response", "agentnb.base.Response"),
        ("autogen_agentchat.base._handoff.Handoff", "agentnb.base.Handoff"),
        ("autogen_agentchat.base._termination.TerminatedException", "agentnb.base.TerminatedException"),
        ("autogen_agentchat.conditions._terminations.TimeoutTermination", "agentnb.conditions.TimeoutTermination"),
        ("autogen_agentchat.teams._group_chat._base_group_chat.BaseGroupChat", "agentnb.teams.BaseGroupChat"),
        ("autogen_agentchat.teams._group_chat._graph._digraph_group_chat.GraphFlow", "agentnb.teams.GraphFlow"),
        ("autogen_agentchat.teams._group_chat._graph._graph_builder.DiGraphBuilder", "agentnb.teams.DiGraphBuilder"),
        (
            "autogen_agentchat.teams._group_chat._magentic_one._magentic_one_group_chat.MagenticOneGroupChat",
            "agentnb.teams.MagenticOneGroupChat",
        ),
        (
            "autogen_agentchat.teams._group_chat._magentic_one._prompts.ORCHESTRATOR_FINAL_ANSWER_PROMPT",
            "agentnb.teams.magentic_prompts.FINAL_ANSWER",
        ),
        (
            "autogen_agentchat.teams._group_chat._selector_group_chat.SelectorFuncType",
            "agentnb.teams.selector.SelectorFuncType",
        ),
        ("autogen_agentchat.teams._group_chat._swarm_group_chat.Swarm", "agentnb.teams.Swarm"),
        ("autogen_agentchat.tools._agent.AgentTool", "agentnb.tools.AgentTool"),
        ("autogen_agentchat.tools._task_runner_tool.TaskRunnerTool", "agentnb.tools.task_runner.TaskRunnerTool"),
        ("autogen_agentchat.ui._console.UserInputManager", "agentnb.ui.UserInputManager"),
        ("autogen_agentchat.utils._utils.content_to_str", "agentnb.messages.content_to_str"),
    ],
)
def test_what_programs_take_from_private_modules_is_the_same_object(hook: None, private: str, public: str) -> None:
    assert pkgutil.resolve_name(private) is pkgutil.resolve_name(public)


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (
            "agents",
            "BaseChatAgent AssistantAgent CodeExecutorAgent SocietyOfMindAgent UserProxyAgent MessageFilterAgent "
            "MessageFilterConfig PerSourceFilter ApprovalRequest ApprovalResponse ApprovalFuncType",
        ),
        (
            "base",
            "ChatAgent Response Team TerminatedException TerminationCondition AndTerminationCondition "
            "OrTerminationCondition TaskResult TaskRunner Handoff",
        ),
        (
            "messages",
            "AgentEvent BaseMessage ChatMessage BaseChatMessage BaseAgentEvent BaseTextChatMessage "
            "StructuredContentType StructuredMessage StructuredMessageFactory HandoffMessage MultiModalMessage "
            "StopMessage TextMessage ToolCallExecutionEvent ToolCallRequestEvent ToolCallSummaryMessage "
            "MemoryQueryEvent UserInputRequestedEvent ModelClientStreamingChunkEvent ThoughtEvent SelectSpeakerEvent "
            "MessageFactory CodeGenerationEvent CodeExecutionEvent SelectorEvent",
        ),
        (
            "teams",
            "BaseGroupChat RoundRobinGroupChat SelectorGroupChat Swarm MagenticOneGroupChat DiGraphBuilder DiGraph "
            "DiGraphNode DiGraphEdge GraphFlow",
        ),
        (
            "conditions",
            "MaxMessageTermination TextMentionTermination StopMessageTermination TokenUsageTermination "
            "HandoffTermination TimeoutTermination ExternalTermination SourceMatchTermination "
            "TextMessageTermination FunctionCallTermination FunctionalTermination",
        ),
        ("tools", "AgentTool TeamTool"),
        ("ui", "Console UserInputManager"),
        ("utils", "content_to_str remove_images"),
    ],
)
def test_every_name_that_autogens_agentchat_exports_is_there(hook: None, module: str, names: str) -> None:
    room = _import(f"autogen_agentchat.{module}")

    assert sorted(room.__all__) == sorted(names.split())
    assert all(hasattr(room, name) for name in names.split())


def test_submodules_are_reached_by_dots_without_being_imported(hook: None) -> None:
    assert _import("autogen_core").models.UserMessage is agentnb.models.UserMessage


def test_the_packages_say_which_autogen_they_stand_for(hook: None) -> None:
    assert [_import(root).__version__ for root in ROOTS] == ["0.7.5"] * 3


def test_a_star_brings_what_all_lists(hook: None) -> None:
    names: dict[str, Any] = {}
    exec("from autogen_agentchat.teams import *", names)

    assert set(names) - {"__builtins__"} == {
        "BaseGroupChat",
        "DiGraph",
        "DiGraphBuilder",
        "DiGraphEdge",
        "DiGraphNode",
        "GraphFlow",
        "MagenticOneGroupChat",
        "RoundRobinGroupChat",
        "SelectorGroupChat",
        "Swarm",
    }
    assert "RoutedAgent" in _import("autogen_core").__all__


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        (f"from {OPENAI} import {AZURE}", f"does not have {OPENAI}.{AZURE} yet"),
        (f"from {OPENAI} import {AZURE}", "There is: .*OpenAIChatCompletionClient"),
        ("from autogen_ext.tools.mcp import McpWorkbench", "does not have autogen_ext.tools.mcp yet"),
        (f"import {OPENAI} as t; t.{AZURE}", f"does not have {OPENAI}.{AZURE} yet"),
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


async def test_a_runtime_without_argument_draws_spans_for_the_global_provider(
    hook: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = Spans()
    core, tools = _import("autogen_core"), _import("autogen_core.tools")
    watched_before = observed()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: spans.provider)

    async def answer(agent: Any, message: str, ctx: Any) -> str:
        return message

    def count(text: str) -> int:
        return len(text)

    runtime = core.SingleThreadedAgentRuntime()
    await core.ClosureAgent.register_closure(runtime, "echo", answer)
    runtime.start()
    await runtime.send_message("hello", core.AgentId("echo", "default"))
    await runtime.stop_when_idle()
    await tools.FunctionTool(count, "Count.").run_json({"text": "abc"}, core.CancellationToken())

    messages = ["autogen ack", *(f"autogen {what} echo.(default)-A" for what in ("create", "process", "send"))]
    assert not watched_before
    assert spans.names == [*messages, "create_agent echo", "execute_tool count"]

    autogen.uninstall()
    assert not observed()


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
