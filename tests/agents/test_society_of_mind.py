"""A team that speaks with one voice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentnb.agents import AssistantAgent, BaseChatAgent, SocietyOfMindAgent, UserProxyAgent
from agentnb.base import Response
from agentnb.conditions import MaxMessageTermination
from agentnb.core import CancellationToken
from agentnb.exceptions import AgentFailed, ModelResponseInvalid
from agentnb.messages import (
    AssistantMessage,
    HandoffMessage,
    ModelClientStreamingChunkEvent,
    RequestUsage,
    TextMessage,
    ThoughtEvent,
    UserMessage,
)
from agentnb.model_context import BufferedChatCompletionContext
from agentnb.models.replay import ReplayChatCompletionClient, able_to_everything
from agentnb.models.scripted import ScriptedChatCompletionClient
from agentnb.runlog import ModelStarted, RunFinished, RunLog, RunStarted, Said, TurnStarted
from agentnb.teams import RoundRobinGroupChat, Swarm
from tests.agents.conftest import Watched, answer, call, names, turn, unable
from tests.stops import stop
from tests.teams.conftest import Speaker, Waiter

INSTRUCTION = SocietyOfMindAgent.DEFAULT_INSTRUCTION
PROMPT = SocietyOfMindAgent.DEFAULT_RESPONSE_PROMPT


def crew(*speakers: BaseChatAgent, **options: Any) -> RoundRobinGroupChat:
    return RoundRobinGroupChat(list(speakers), **{"name": "crew", "max_turns": len(speakers), **options})


def society(client: Any, *speakers: BaseChatAgent, **options: Any) -> SocietyOfMindAgent:
    return SocietyOfMindAgent("society", crew(*speakers), client, **options)


def handed(agent: Any) -> list[list[Any]]:
    """Return the messages an agent will be given, not their texts only."""
    inner, messages = agent.on_messages, list[list[Any]]()

    async def on_messages(new: Any, token: CancellationToken) -> Response:
        messages.append(list(new))
        response: Response = await inner(new, token)
        return response

    agent.on_messages = on_messages
    return messages


# -- a turn -----------------------------------------------------------------------------------------------------------


async def test_the_teams_messages_and_events_are_streamed_then_the_models_answer() -> None:
    thought = ThoughtEvent(content="hm", source="ana")
    piece = ModelClientStreamingChunkEvent(content="a", source="ana")
    agent = society(Watched([answer("All agreed.")]), Speaker("ana", says_before=[thought, piece]), Speaker("ben"))
    items = await turn(agent, "go")

    assert names(items) == [
        "ThoughtEvent",
        "ModelClientStreamingChunkEvent",
        "TextMessage",
        "TextMessage",
        "Response(TextMessage)",
    ]
    assert [item.source for item in items[2:4]] == ["ana", "ben"]
    response = items[-1]
    assert (response.chat_message.content, response.chat_message.source) == ("All agreed.", "society")
    assert response.chat_message.models_usage == RequestUsage(3, 4)
    assert response.inner_messages == []


async def test_messages_are_streamed_while_the_team_still_works() -> None:
    ben = Waiter("ben")
    items = society(Watched(["done"]), Speaker("ana"), ben).on_messages_stream([], CancellationToken())

    first = await anext(items)
    assert not ben.go_on.is_set()
    assert first.to_text() == "ana says"  # type: ignore[union-attr]
    ben.go_on.set()
    assert names([item async for item in items]) == ["TextMessage", "Response(TextMessage)"]


@pytest.mark.parametrize("several", [True, False])
async def test_the_model_is_shown_an_instruction_the_teams_chat_messages_and_a_prompt(several: bool) -> None:
    client = Watched(["done"], model_info=unable(multiple_system_messages=several))
    agent = society(client, Speaker("ana", says_before=[ThoughtEvent(content="hm", source="ana")]), Speaker("ben"))
    await turn(agent, "go")

    prompt = "SystemMessage" if several else "UserMessage"
    assert [(message.type, message.content) for message in client.asked[0]] == [
        (prompt, INSTRUCTION),
        ("UserMessage", "ana says"),
        ("UserMessage", "ben says"),
        (prompt, PROMPT),
    ]


async def test_instruction_and_prompt_can_be_chosen() -> None:
    client = Watched(["done"])
    await turn(society(client, Speaker("ana"), instruction="They said:", response_prompt="Sum up."), "go")

    assert [message.content for message in client.asked[0]] == ["They said:", "ana says", "Sum up."]


async def test_a_team_that_says_nothing_gives_a_fixed_text_and_no_model_is_asked() -> None:
    client = Watched(["never"])
    team = crew(Speaker("ana"), termination_condition=MaxMessageTermination(1))
    (response,) = await turn(SocietyOfMindAgent("society", team, client), "go")

    assert response.chat_message.content == SocietyOfMindAgent.NO_MESSAGES
    assert response.inner_messages == []
    assert client.asked == []


async def test_the_team_is_reset_after_the_turn() -> None:
    ana = Speaker("ana", "first", "second")
    agent = society(Watched(["x"], repeats=True), ana)

    assert [item.to_text() for item in (await turn(agent, "a"))[:-1]] == ["first"]
    assert ana.calls == ["reset"]
    assert [item.to_text() for item in (await turn(agent, "b"))[:-1]] == ["first"]


async def test_what_was_heard_before_is_told_again_as_a_handoffs_context() -> None:
    ana = Speaker("ana")
    got = handed(ana)
    agent = society(Watched(["x"], repeats=True), ana)
    await turn(agent, "a")
    await turn(agent, "b")

    before, now = got[1]
    assert isinstance(before, HandoffMessage)
    assert (before.source, before.context) == ("society", [UserMessage(content="a", source="user")])
    assert now.to_text() == "b"
    assert [message.content for message in await agent.model_context.get_messages()] == ["a", "b"]


async def test_a_context_of_ones_own_limits_what_is_told_again() -> None:
    ana = Speaker("ana")
    got = handed(ana)
    agent = society(Watched(["x"], repeats=True), ana, model_context=BufferedChatCompletionContext(buffer_size=1))
    for word in "abc":
        await turn(agent, word)

    assert [message.content for message in got[2][0].context] == ["b"]


async def test_a_team_led_by_handoffs_goes_through_several_turns() -> None:
    """In AutoGen the message that holds earlier turns hands over to nobody, which a Swarm refuses."""
    produces = (TextMessage, HandoffMessage)
    ana = Speaker("ana", HandoffMessage(content="to ben", target="ben", source="ana"))
    ben = Speaker("ben")
    ana.produced_message_types = produces
    agent = SocietyOfMindAgent("society", Swarm([ana, ben], max_turns=2), Watched(["x"], repeats=True))
    handoff = HandoffMessage(content="yours", target="society", source="boss")

    for message in ("a", "b", handoff):
        assert [item.source for item in (await turn(agent, message))[:-1]] == ["ana", "ben"]


async def test_a_handoff_to_the_society_reaches_a_person_inside() -> None:
    me = UserProxyAgent("me", input_func=lambda prompt: "take it")
    handoff = HandoffMessage(content="yours", target="society", source="boss")
    items = await turn(society(Watched(["done"]), me), handoff)

    assert [item.to_text() for item in items[:-1]] == ["", "take it"]


# -- the log ----------------------------------------------------------------------------------------------------------


async def test_what_happens_inside_is_in_the_same_log_each_message_once() -> None:
    log = RunLog()
    client = ScriptedChatCompletionClient(["inner"])
    team = RoundRobinGroupChat(
        [society(Watched(["voice"]), AssistantAgent("ana", client), Speaker("ben"))], max_turns=1, name="outer"
    )
    result = await team.run(task="go", log=log)

    starts = [event for event in log if isinstance(event.body, RunStarted)]
    turns: dict[Any, str] = {event.id: event.body.agent for event in log if isinstance(event.body, TurnStarted)}
    assert [start.body.runner for start in starts] == ["outer", "crew"]  # type: ignore[attr-defined]
    assert turns[starts[1].parent] == "society"
    assert list(turns.values()) == ["society", "ana", "ben"]
    assert [e.body.message.to_text() for e in log if isinstance(e.body, Said)] == ["go", "inner", "ben says", "voice"]
    assert [message.to_text() for message in result.messages] == ["go", "inner", "ben says", "voice"]
    assert len([event for event in log if isinstance(event.body, ModelStarted)]) == 2


async def test_alone_too_it_has_one_log() -> None:
    result = await society(Watched(["voice"], name="outside"), Speaker("ana")).run(task="go")

    assert result.log is not None
    assert [message.to_text() for message in result.messages] == ["go", "ana says", "voice"]
    start: Any = result.log.events[0].body
    assert start.model == "outside"
    assert len([event for event in result.log if isinstance(event.body, RunStarted)]) == 2


async def test_in_a_team_the_others_hear_only_the_voice() -> None:
    cara = Speaker("cara")
    team = RoundRobinGroupChat([society(Watched(["voice"]), Speaker("ana")), cara], max_turns=2)
    await team.run(task="go")

    assert cara.got[0][0] == "go"
    assert cara.got[0][-1] == "voice"


@pytest.mark.parametrize(
    ("client", "options", "says"),
    [
        (3, {}, "The model_client of the agent 'society' is 3; give a model client"),
        (Watched(["x"]), {"model_context": []}, r"The model_context of the agent 'society' is \[\]"),
    ],
)
def test_an_argument_of_another_kind_is_refused_by_name(client: Any, options: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        society(client, Speaker("ana"), **options)


# -- failures and cancelling ------------------------------------------------------------------------------------------


async def test_a_failure_inside_names_the_agent_and_the_next_turn_works() -> None:
    failures = [ValueError("no")]
    ana = Speaker("ana", lambda _: failures.pop() if failures else "fine")
    agent = society(Watched(["voice"]), ana)

    with pytest.raises(AgentFailed, match="'ana' failed: ValueError: no"):
        await turn(agent, "a")
    assert [item.to_text() for item in (await turn(agent, "b"))[:-1]] == ["fine"]
    assert [message.content for message in await agent.model_context.get_messages()] == ["a", "b"]


@pytest.mark.parametrize("how", ["token", "task"])
async def test_cancelling_ends_the_team_inside_and_the_next_turn_works(how: str) -> None:
    ana, log, token = Waiter("ana"), RunLog(), CancellationToken()
    agent = society(Watched(["voice"]), ana)
    running = asyncio.ensure_future(agent.run(task="go", cancellation_token=token, log=log))
    await ana.begun.wait()
    stop(how, token, running)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 5)
    assert ana.cleaned
    assert [event.body.outcome for event in log if isinstance(event.body, RunFinished)] == ["stopped", "stopped"]
    ana.go_on.set()
    assert (await agent.run(task="again")).messages[-1].to_text() == "voice"


async def test_leaving_the_stream_early_ends_the_team_inside() -> None:
    ben = Waiter("ben")
    items = society(Watched(["voice"]), Speaker("ana"), ben).on_messages_stream([], CancellationToken())
    await anext(items)
    await ben.begun.wait()
    await items.aclose()

    assert ben.cleaned


async def test_cancelling_ends_the_wait_for_the_answer() -> None:
    asked, token = asyncio.Event(), CancellationToken()

    class Slow(Watched):
        async def create(self, messages: Any, **options: Any) -> Any:
            asked.set()
            await asyncio.Event().wait()

    running = asyncio.ensure_future(turn(society(Slow(["x"]), Speaker("ana")), "go", token=token))
    await asked.wait()
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 5)


async def test_a_model_that_calls_tools_instead_is_an_error_by_name() -> None:
    with pytest.raises(
        ModelResponseInvalid, match="asked by 'society' to answer for its team and called tools it was not offered: "
    ):
        await turn(society(Watched([[call("add")]]), Speaker("ana")), "go")


# -- life -------------------------------------------------------------------------------------------------------------


async def test_resetting_forgets_and_resets_the_team() -> None:
    ana = Speaker("ana")
    agent = society(Watched(["x"], repeats=True), ana)
    await turn(agent, "a")
    await agent.on_reset(CancellationToken())
    await turn(agent, "b")

    assert ana.calls == ["reset", "reset", "reset"]
    assert [message.content for message in await agent.model_context.get_messages()] == ["b"]


async def test_state_holds_the_teams_and_what_was_heard() -> None:
    ana = Speaker("ana")
    agent = society(Watched(["x"]), ana)
    await turn(agent, "a")
    ana.turns = 5
    state = await agent.save_state()
    other = Speaker("ana")
    again = society(Watched(["x"]), other)
    await again.load_state(state)

    assert (state["type"], state["version"]) == ("SocietyOfMindAgentState", "1.0.0")
    assert state["inner_team_state"]["type"] == "TeamState"
    assert other.turns == 5
    assert [message.content for message in await again.model_context.get_messages()] == ["a"]


async def test_autogens_state_without_what_was_heard_is_loaded() -> None:
    ana = Speaker("ana")
    agent = society(Watched(["x"]), ana)
    state = {key: value for key, value in (await agent.save_state()).items() if key != "llm_context"}
    ana.turns = 3
    await agent.load_state(state)

    assert ana.turns == 0


async def test_life_goes_on_to_the_team() -> None:
    ana, token, client = Speaker("ana"), CancellationToken(), Watched(["x"])
    agent = society(client, ana)
    await agent.on_pause(token)
    await agent.on_resume(token)
    await agent.close()

    assert ana.calls == ["pause", "resume", "close"]
    assert client.closed
    assert not agent.asks_person
    assert society(client, UserProxyAgent("me")).asks_person


def test_what_is_no_team_is_refused() -> None:
    with pytest.raises(TypeError, match=r"team of 'society' is .* give a team"):
        SocietyOfMindAgent("society", Speaker("ana"), Watched(["x"]))  # type: ignore[arg-type]


def test_it_is_made_again_from_its_config_and_from_autogens() -> None:
    writer = AssistantAgent("writer", ReplayChatCompletionClient(["x"], model_info=able_to_everything()))
    agent = SocietyOfMindAgent(
        "society",
        RoundRobinGroupChat([writer], max_turns=1),
        ReplayChatCompletionClient(["y"]),
        description="wise",
        instruction="They said:",
        response_prompt="Sum up.",
        model_context=BufferedChatCompletionContext(buffer_size=2),
    )
    model = agent.dump_component()
    data = model.model_dump() | {"provider": "autogen_agentchat.agents.SocietyOfMindAgent"}

    assert model.config.keys() == {
        *("name", "team", "model_client", "description", "instruction", "response_prompt", "model_context")
    }
    assert SocietyOfMindAgent.load_component(model).dump_component() == model
    assert SocietyOfMindAgent.load_component(data).dump_component() == model


def test_a_config_with_nulls_means_the_defaults() -> None:
    writer = AssistantAgent("writer", ReplayChatCompletionClient(["x"], model_info=able_to_everything()))
    model = society(ReplayChatCompletionClient(["y"]), writer).dump_component()
    model.config |= {"description": None, "instruction": None, "response_prompt": None, "model_context": None}

    assert SocietyOfMindAgent.load_component(model).description == SocietyOfMindAgent.DEFAULT_DESCRIPTION


def test_the_answer_is_no_part_of_what_was_heard() -> None:
    async def heard() -> list[Any]:
        agent = society(Watched(["voice"]), Speaker("ana"))
        await turn(agent, "a")
        return list(await agent.model_context.get_messages())

    assert not [message for message in asyncio.run(heard()) if isinstance(message, AssistantMessage)]


async def test_pausing_the_run_holds_the_team_inside_between_its_turns() -> None:
    ana, ben = Waiter("ana"), Speaker("ben")
    run = society(Watched(["voice"]), ana, ben).start(task="go")
    await ana.begun.wait()

    run.pause()
    ana.go_on.set()
    async with asyncio.timeout(5):
        while not run._brake.gate.held:  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0)

    assert [message.source for message in run.messages] == ["user", "ana"]
    run.resume()
    assert [message.source for message in (await run).messages] == ["user", "ana", "ben", "society"]
    assert ana.calls == ["pause", "resume", "reset"]
