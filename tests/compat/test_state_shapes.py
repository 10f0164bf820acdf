"""The classes of AutoGen's saved states, which programs build and check states with."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest
from pydantic import BaseModel

from agentnb.agents import AssistantAgent, SocietyOfMindAgent
from agentnb.compat import state as shapes
from agentnb.compat.autogen import installed
from agentnb.compat.state import AssistantAgentState, ChatAgentContainerState, SocietyOfMindAgentState, TeamState
from agentnb.models.scripted import ScriptedChatCompletionClient
from agentnb.teams import MagenticOneGroupChat, RoundRobinGroupChat, SelectorGroupChat, Swarm
from tests.teams.conftest import Speaker, texts

LEADERS: dict[str, dict[str, Any]] = {
    "RoundRobinManagerState": {"next_speaker_index": 0},
    "SelectorManagerState": {"previous_speaker": None},
    "SwarmManagerState": {"current_speaker": ""},
    "MagenticOneOrchestratorState": {"task": "", "facts": "", "plan": "", "n_rounds": 0, "n_stalls": 0},
    "BaseGroupChatManagerState": {},
}
OTHERS: dict[str, dict[str, Any]] = {
    "BaseState": {},
    "AssistantAgentState": {"llm_context": {"messages": []}},
    "ChatAgentContainerState": {"agent_state": {}, "message_buffer": []},
    "SocietyOfMindAgentState": {"inner_team_state": {}},
    "TeamState": {"agent_states": {}},
}
DEFAULTS = OTHERS | {name: {"message_thread": [], "current_turn": 0, **more} for name, more in LEADERS.items()}


def model() -> ScriptedChatCompletionClient:
    return ScriptedChatCompletionClient([lambda messages: f"of {len(messages)}"], repeats=True)


def test_the_old_import_works() -> None:
    with installed():
        old = importlib.import_module("autogen_agentchat.state")

        assert old.TeamState is TeamState


@pytest.mark.parametrize("name", shapes.__all__)
def test_a_state_made_empty_has_autogens_fields(name: str) -> None:
    made: BaseModel = getattr(shapes, name)()

    assert made.model_dump() == {"type": name, "version": "1.0.0", **DEFAULTS[name]}


async def test_what_a_team_saves_is_read_by_them_and_loaded_from_them() -> None:
    def made() -> RoundRobinGroupChat:
        return RoundRobinGroupChat([AssistantAgent("ana", model()), Speaker("ben")], max_turns=3)

    team = made()
    await team.run(task="go")
    state = TeamState.model_validate(await team.save_state())
    seat = ChatAgentContainerState.model_validate(state.agent_states["ana"])
    other = made()
    await other.load_state(TeamState.model_validate_json(state.model_dump_json()).model_dump())

    kept = AssistantAgentState.model_validate(seat.agent_state).llm_context["messages"]
    assert [message["content"] for message in kept] == ["go", "of 2", "ben says", "of 4"]
    assert texts(await other.run()) == texts(await team.run())


@pytest.mark.parametrize("kind", [RoundRobinGroupChat, SelectorGroupChat, Swarm, MagenticOneGroupChat])
async def test_what_leads_a_team_saves_its_shape(kind: Any) -> None:
    people = [AssistantAgent("ana", model(), handoffs=["ben"]), AssistantAgent("ben", model())]
    team = kind(people, model()) if kind in (SelectorGroupChat, MagenticOneGroupChat) else kind(people)

    state = (await team.save_state())["agent_states"][team.manager_name]
    shape = getattr(shapes, state["type"]).model_validate(state).model_dump()

    assert {key: state[key] for key in shape} == shape


async def test_a_society_saves_its_team() -> None:
    inner = RoundRobinGroupChat([Speaker("ana")], max_turns=1)
    society = SocietyOfMindAgent("society", inner, model())

    state = SocietyOfMindAgentState.model_validate(json.loads(json.dumps(await society.save_state())))

    assert sorted(state.inner_team_state["agent_states"]) == [inner.manager_name, "ana"]
