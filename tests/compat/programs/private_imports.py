# mypy: ignore-errors
"""What programs take from AutoGen's private modules is the same as the public one."""

import asyncio
from dataclasses import dataclass

import autogen_agentchat.teams as teams
import autogen_core
import autogen_core.models as models
from autogen_agentchat.agents._assistant_agent import AssistantAgent, AssistantAgentConfig
from autogen_agentchat.agents._user_proxy_agent import InputFuncType
from autogen_agentchat.base._handoff import Handoff
from autogen_agentchat.base._task import TaskResult
from autogen_agentchat.conditions._terminations import HandoffTermination
from autogen_agentchat.teams._group_chat._graph._digraph_group_chat import DiGraphEdge, GraphFlow
from autogen_agentchat.teams._group_chat._magentic_one._prompts import ORCHESTRATOR_FINAL_ANSWER_PROMPT
from autogen_agentchat.teams._group_chat._round_robin_group_chat import RoundRobinGroupChat
from autogen_agentchat.teams._group_chat._selector_group_chat import SelectorFuncType
from autogen_agentchat.tools import AgentTool
from autogen_agentchat.tools._task_runner_tool import TaskRunnerTool
from autogen_core._component_config import Component
from autogen_core._default_topic import DefaultTopicId
from autogen_core._function_utils import args_base_model_from_signature, get_typed_signature
from autogen_core._serialization import SerializationRegistry, try_get_known_serializers_for_type
from autogen_core._types import FunctionCall
from autogen_core.models._types import UserMessage


@dataclass
class Ping:
    text: str


def add(a: int, b: int = 2) -> int:
    return a + b


async def main() -> None:
    registry = SerializationRegistry()
    registry.add_serializer(try_get_known_serializers_for_type(Ping))
    data = registry.serialize(Ping("hello"), type_name="Ping", data_content_type="application/json")
    print(registry.deserialize(data, type_name="Ping", data_content_type="application/json"))
    arguments = args_base_model_from_signature("add_args", get_typed_signature(add))
    print(arguments(a=1))
    same = [
        UserMessage is models.UserMessage,
        autogen_core.models.UserMessage is UserMessage,
        DefaultTopicId is autogen_core.DefaultTopicId,
        FunctionCall is autogen_core.FunctionCall,
        Component is autogen_core.Component,
        TaskResult.__name__ == "TaskResult",
        RoundRobinGroupChat.__name__ == "RoundRobinGroupChat",
        GraphFlow is teams.GraphFlow,
        "target" in DiGraphEdge.model_fields and "target" in Handoff.model_fields,
        AssistantAgent.component_config_schema is AssistantAgentConfig,
        issubclass(AgentTool, TaskRunnerTool),
        "{task}" in ORCHESTRATOR_FINAL_ANSWER_PROMPT,
        HandoffTermination("user").terminated is False,
        InputFuncType is not None and SelectorFuncType is not None,
    ]
    print(all(same), autogen_core.__version__)


if __name__ == "__main__":
    asyncio.run(main())
