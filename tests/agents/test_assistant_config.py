"""An assistant as JSON, and made again."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from agentnb.agents import AssistantAgent
from agentnb.agents.assistant import AssistantAgentConfig
from agentnb.base import ChatAgent, Handoff
from agentnb.core import ComponentModel
from agentnb.exceptions import CodeNotAllowed, UserError
from agentnb.memory import ListMemory
from agentnb.messages import MemoryContent, MemoryMimeType, StructuredMessage
from agentnb.model_context import BufferedChatCompletionContext
from agentnb.models import ChatCompletionClient, ReplayChatCompletionClient
from agentnb.models.replay import able_to_everything
from agentnb.runlog import RunLog, RunStarted
from agentnb.tools import FunctionTool, StaticStreamWorkbench, StaticWorkbench
from tests.agents.conftest import Watched, names, turn


class Report(BaseModel):
    """A report."""

    city: str
    degrees: float | None = None


def weather(city: str) -> str:
    """Tell the weather."""
    return f"4 °C in {city}"


def replay(*answers: Any) -> ReplayChatCompletionClient:
    return ReplayChatCompletionClient([*answers] or ["hello"], model_info=able_to_everything())


def whole() -> AssistantAgent:
    return AssistantAgent(
        "ana",
        replay('{"city": "Oslo"}'),
        tools=[weather],
        handoffs=["ben", Handoff(target="cleo", name="up", description="Up.", message="Go.")],
        model_context=BufferedChatCompletionContext(7),
        description="Knows the weather.",
        system_message="Be brief.",
        model_client_stream=True,
        reflect_on_tool_use=False,
        max_tool_iterations=4,
        tool_call_summary_format="{tool_name}: {result}",
        output_content_type=Report,
        output_content_type_format="{city}",
        memory=[ListMemory(memory_contents=[MemoryContent(content="metric", mime_type=MemoryMimeType.TEXT)])],
        metadata={"team": "red"},
    )


def through_json(model: ComponentModel) -> dict[str, Any]:
    return json.loads(model.model_dump_json())  # type: ignore[no-any-return]


def test_an_agent_is_written_in_autogens_shape() -> None:
    written = through_json(whole().dump_component())
    config = written["config"]

    assert (written["provider"], written["component_type"]) == ("agentnb.agents.AssistantAgent", "agent")
    assert (written["version"], written["component_version"]) == (2, 2)
    plain = {key: value for key, value in config.items() if isinstance(value, str | int | float | bool)}
    assert plain == {
        "name": "ana",
        "description": "Knows the weather.",
        "system_message": "Be brief.",
        "model_client_stream": True,
        "reflect_on_tool_use": False,
        "tool_call_summary_format": "{tool_name}: {result}",
        "max_tool_iterations": 4,
    }
    assert config["metadata"] == {"team": "red"}
    assert [handoff["name"] for handoff in config["handoffs"]] == ["transfer_to_ben", "up"]
    assert set(config["handoffs"][0]) == {"target", "description", "name", "message"}
    parts = {key: value["provider"] for key, value in config.items() if isinstance(value, dict) and "provider" in value}
    assert parts == {
        "model_client": "agentnb.models.ReplayChatCompletionClient",
        "model_context": "agentnb.model_context.BufferedChatCompletionContext",
        "structured_message_factory": "agentnb.messages.StructuredMessageFactory",
    }
    assert [one["provider"] for one in config["memory"]] == ["agentnb.memory.ListMemory"]


def test_tools_are_always_written_within_a_workbench() -> None:
    config = whole().dump_component().config

    assert "tools" not in config
    (bench,) = config["workbench"]
    assert bench["provider"] == "agentnb.tools.StaticStreamWorkbench"
    assert [tool["config"]["name"] for tool in bench["config"]["tools"]] == ["weather"]


def test_an_agent_without_anything_is_written_without_what_it_has_not() -> None:
    config = AssistantAgent("ana", ReplayChatCompletionClient(["x"]), system_message=None).dump_component().config

    assert set(config) == {
        "name",
        "model_client",
        "workbench",
        "model_context",
        "description",
        "model_client_stream",
        "reflect_on_tool_use",
        "tool_call_summary_format",
        "max_tool_iterations",
        "metadata",
    }


@pytest.mark.parametrize(
    "agent",
    [
        whole(),
        AssistantAgent("ana", ReplayChatCompletionClient(["x"]), system_message=None),
        AssistantAgent("ana", replay(), workbench=[StaticWorkbench([]), StaticStreamWorkbench([])]),
        AssistantAgent("ana", replay(), workbench=StaticWorkbench([FunctionTool(weather, description="w")])),
    ],
    ids=["whole", "bare", "two workbenches", "a workbench"],
)
def test_an_agent_made_again_is_equal(agent: AssistantAgent) -> None:
    written = agent.dump_component()
    made = ChatAgent.load_component(through_json(written), AssistantAgent, allow_code=True)

    assert through_json(made.dump_component()) == through_json(written)


async def test_an_agent_made_again_does_what_the_first_does() -> None:
    made = AssistantAgent.load_component(through_json(whole().dump_component()), allow_code=True)
    items = await turn(made, "hi")

    assert names(items)[0] == "MemoryQueryEvent"
    said = items[-1].chat_message
    assert isinstance(said, StructuredMessage)
    assert (said.to_text(), said.metadata) == ("Oslo", {"team": "red"})


def test_tools_with_source_code_are_made_only_where_that_is_allowed() -> None:
    with pytest.raises(CodeNotAllowed):
        AssistantAgent.load_component(through_json(whole().dump_component()))


def _autogens(version: int) -> dict[str, Any]:
    tool = through_json(FunctionTool(weather, description="Tell the weather.").dump_component())
    tool["provider"] = "autogen_core.tools.FunctionTool"
    return {
        "provider": "autogen_agentchat.agents.AssistantAgent",
        "component_type": "agent",
        "version": version,
        "component_version": version,
        "label": "AssistantAgent",
        "config": {
            "name": "ana",
            "model_client": {
                "provider": "autogen_ext.models.openai.OpenAIChatCompletionClient",
                "component_type": "model",
                "version": 1,
                "component_version": 1,
                "config": {"model": "gpt-4o-mini"},
            },
            "tools": [tool],
            "handoffs": ["ben", {"target": "cleo", "description": "Up.", "name": "up", "message": "Go."}],
            "model_context": {
                "provider": "autogen_core.model_context.UnboundedChatCompletionContext",
                "component_type": "chat_completion_context",
                "version": 1,
                "component_version": 1,
                "config": {},
            },
            "description": "Knows the weather.",
            "system_message": "Be brief.",
            "model_client_stream": False,
            "reflect_on_tool_use": True,
            "tool_call_summary_format": "{result}",
            "metadata": {},
        },
    }


@pytest.mark.parametrize("version", [1, 2])
async def test_autogens_json_with_tools_is_read(version: int) -> None:
    made = AssistantAgent.load_component(_autogens(version), allow_code=True)
    config = made.dump_component().config

    assert [tool["config"]["name"] for tool in config["workbench"][0]["config"]["tools"]] == ["weather"]
    assert [handoff["target"] for handoff in config["handoffs"]] == ["ben", "cleo"]
    assert config["reflect_on_tool_use"] is True


class Forecaster(AssistantAgent):
    """An assistant with a constructor of its own."""

    def __init__(self, client: ChatCompletionClient) -> None:
        super().__init__("forecaster", client, tools=[weather])


def test_a_subclass_with_arguments_of_its_own_says_how_it_can_be_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTNB_TRUSTED_NAMESPACES", __name__)
    written = through_json(Forecaster(replay()).dump_component())
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Forecaster.__module__])

    with pytest.raises(UserError, match=r"Define Forecaster\._to_config and Forecaster\._from_config"):
        AssistantAgent.load_component(written, allow_code=True)


def test_a_single_workbench_of_an_older_file_is_read() -> None:
    written = through_json(AssistantAgent("ana", replay()).dump_component())
    written["config"]["workbench"] = written["config"]["workbench"][0]

    assert AssistantAgent.load_component(written).name == "ana"


@pytest.mark.parametrize(
    ("change", "says"), [({"max_tool_iterations": 0}, "max_tool_iterations"), ({"name": None}, "name")]
)
def test_a_config_that_is_none_is_refused(change: dict[str, Any], says: str) -> None:
    written = through_json(AssistantAgent("ana", replay()).dump_component())
    written["config"] |= change

    with pytest.raises(ValidationError, match=says):
        AssistantAgent.load_component(written)


def test_a_formatter_is_not_written_and_says_so() -> None:
    agent = AssistantAgent("ana", replay(), tool_call_summary_formatter=lambda call, result: "x")

    with pytest.warns(UserWarning, match="The tool_call_summary_formatter of the agent 'ana' is a function"):
        config = agent.dump_component().config
    assert config["tool_call_summary_format"] == "{result}"


def test_a_tool_that_cannot_be_written_is_refused_by_name() -> None:
    with pytest.raises(UserError, match="The tool '<lambda>' cannot be written down"):
        AssistantAgent("ana", replay(), tools=[lambda: 1]).dump_component()


async def test_a_log_describes_an_agent_whose_tools_cannot_be_written_all_the_same() -> None:
    log = RunLog()
    agent = AssistantAgent(
        "ana", Watched(["x"]), tools=[lambda: 1, weather], tool_call_summary_formatter=lambda call, result: "x"
    )
    await agent.run(task="hi", log=log)

    body = log.events[0].body
    assert isinstance(body, RunStarted)
    assert body.component is not None
    config = AssistantAgentConfig.model_validate(body.component["config"])
    assert config.name == "ana"
    assert isinstance(config.workbench, list)
    tools = config.workbench[0].config["tools"]
    assert "cannot be written down" in tools[0]["config"]["not written"]
    assert tools[1]["config"]["name"] == "weather"


async def test_a_state_that_is_no_assistants_is_refused() -> None:
    with pytest.raises(UserError, match="'ana' is of no AssistantAgent: there is no 'llm_context'"):
        await AssistantAgent("ana", replay()).load_state({"type": "BaseState", "version": "1.0.0"})


async def test_autogens_saved_state_is_read() -> None:
    client = Watched(["two"])
    agent = AssistantAgent("ana", client, system_message=None)
    await agent.load_state(
        {
            "type": "AssistantAgentState",
            "version": "1.0.0",
            "llm_context": {
                "messages": [
                    {"content": "a", "source": "user", "type": "UserMessage"},
                    {"content": "one", "thought": None, "source": "ana", "type": "AssistantMessage"},
                ]
            },
        }
    )
    await turn(agent, "b")

    assert [message.content for message in client.asked[0]] == ["a", "one", "b"]
