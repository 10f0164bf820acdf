"""Whoever has the word says who has it next."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentnb.agents import AssistantAgent
from agentnb.conditions import HandoffTermination, MaxMessageTermination
from agentnb.exceptions import AgentFailed
from agentnb.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    CreateResult,
    FunctionCall,
    HandoffMessage,
    RequestUsage,
    SelectSpeakerEvent,
    TextMessage,
)
from agentnb.models import ModelInfo, ReplayChatCompletionClient, ScriptedChatCompletionClient
from agentnb.teams import BaseGroupChat, RoundRobinGroupChat, Swarm, TeamView
from agentnb.teams.swarm import HandoffPolicy
from tests.teams.conftest import Line, Speaker, choices, sources, texts


class Agent(Speaker):
    """A speaker that may hand over."""

    produced_message_types = (TextMessage, HandoffMessage)

    def __init__(self, name: str, *lines: Line, **options: Any) -> None:
        super().__init__(name, *lines, **options)


def to(target: str, source: str = "ana", content: str = "over to you") -> HandoffMessage:
    return HandoffMessage(content=content, source=source, target=target)


def people() -> list[Agent]:
    """Ana hands over to Ben, who asks a person and then talks on."""
    return [Agent("ana", to("ben")), Agent("ben", to("user", "ben", "which flight?"), "booked", "sent")]


# -- who speaks -------------------------------------------------------------------------------------------------------


async def test_the_first_begins_and_speaks_until_it_hands_over() -> None:
    ana = Agent("ana", "hm", "well", to("ben"))

    result = await Swarm([ana, Agent("ben", "b")], max_turns=5).run(task="go")

    assert sources(result) == ["user", "ana", "ana", "ana", "ben", "ben"]


async def test_a_handoff_decides_however_long_ago_it_was_said() -> None:
    team = Swarm([Agent("ana", to("ben")), Agent("ben", "b")], max_turns=2)
    await team.run(task="go")

    again = await team.run(task="and now?")
    onward = await team.run()

    assert sources(again) == ["user", "ben", "ben"]
    assert sources(onward) == ["ben", "ben"]


async def test_a_handoff_that_ended_a_run_decides_who_begins_the_next() -> None:
    team = Swarm([Agent("ana", to("ben")), Agent("ben", "b")], max_turns=1)
    await team.run(task="go")

    assert sources(await team.run(task="on")) == ["user", "ben"]


async def test_a_handoff_back_and_forth_is_followed() -> None:
    ana, ben = Agent("ana", to("ben"), "done"), Agent("ben", to("ana", "ben"))

    result = await Swarm([ana, ben], max_turns=3).run(task="go")

    assert sources(result) == ["user", "ana", "ben", "ana"]
    assert ben.got == [["go", "over to you"]]


async def test_a_handoff_among_what_an_agent_did_on_the_way_counts_too() -> None:
    ana = Agent("ana", "I am done", says_before=[to("ben")])

    result = await Swarm([ana, Agent("ben", "b")], max_turns=2).run(task="go")

    assert sources(result) == ["user", "ana", "ana", "ben"]


async def test_the_events_of_a_run_come_in_order() -> None:
    team = Swarm([Agent("ana", "hm", to("ben")), Agent("ben", "b")], max_turns=3, emit_team_events=True)

    items = [item async for item in team.run_stream(task="go")]

    assert [type(item).__name__ for item in items] == [
        "TextMessage",
        "SelectSpeakerEvent",
        "TextMessage",
        "SelectSpeakerEvent",
        "HandoffMessage",
        "SelectSpeakerEvent",
        "TextMessage",
        "TaskResult",
    ]
    assert [(item.source, item.content) for item in items if isinstance(item, SelectSpeakerEvent)] == [
        ("SwarmGroupChatManager", ["ana"]),
        ("SwarmGroupChatManager", ["ana"]),
        ("SwarmGroupChatManager", ["ben"]),
    ]


async def test_without_team_events_only_what_is_said_is_streamed() -> None:
    team = Swarm([Agent("ana", to("ben")), Agent("ben", "b")], max_turns=2)

    items = [item async for item in team.run_stream(task="go")]

    assert [type(item).__name__ for item in items] == ["TextMessage", "HandoffMessage", "TextMessage", "TaskResult"]


async def test_the_log_says_why_each_had_the_word() -> None:
    team = Swarm(people(), termination_condition=HandoffTermination("user") | MaxMessageTermination(3))

    first = await team.run(task="go")
    second = await team.run(task="the early one")

    assert [(choice.names, choice.rule, choice.why) for choice in choices(first.log)] == [
        (("ana",), "first", "Nobody has had the word; the first one begins."),
        (("ben",), "handoff", "ana handed over to ben."),
    ]
    assert [(choice.names, choice.rule, choice.why) for choice in choices(second.log)] == [
        (("ben",), "answered", "ben handed over to 'user' and goes on with the answer."),
        (("ben",), "no handoff", "ben did not hand over."),
    ]


# -- a person ---------------------------------------------------------------------------------------------------------


async def test_a_handoff_to_a_person_ends_the_run_with_its_condition() -> None:
    result = await Swarm(people(), termination_condition=HandoffTermination("user")).run(task="go")

    assert sources(result) == ["user", "ana", "ben"]
    assert result.stop_reason is not None
    assert "user" in result.stop_reason


async def test_after_a_handoff_to_a_person_plain_text_resumes_with_who_handed_over() -> None:
    """AutoGen refuses such a task: every answer had to be made a HandoffMessage by hand."""
    ana, ben = people()
    team = Swarm([ana, ben], termination_condition=HandoffTermination("user") | MaxMessageTermination(3))
    await team.run(task="go")

    answered = await team.run(task="the early one")

    assert sources(answered) == ["user", "ben", "ben"]
    assert texts(answered) == ["the early one", "booked", "sent"]
    assert ben.got == [["go", "over to you"], ["the early one"], []]
    assert ana.turns == 1


async def test_after_a_handoff_to_a_person_a_handoff_message_resumes_with_its_target() -> None:
    team = Swarm(people(), termination_condition=HandoffTermination("user"), max_turns=2)
    await team.run(task="go")

    ana = await team.run(task=to("ana", "user", "ask somebody else"))

    assert sources(ana) == ["user", "ana", "ben"]


async def test_after_a_handoff_to_a_person_somebody_must_answer() -> None:
    team = Swarm(people(), termination_condition=HandoffTermination("user"))
    await team.run(task="go")

    with pytest.raises(
        ValueError,
        match=r"ben handed over to 'user', who takes no part here \(participants: 'ana',.*"
        r"nobody has answered\. Give the answer as the task",
    ):
        await team.run()


async def test_a_turn_that_failed_after_the_answer_can_be_repeated_without_answering_again() -> None:
    ben = Agent("ben", to("user", "ben"), RuntimeError("flaky"), "booked")
    team = Swarm([Agent("ana", to("ben")), ben], termination_condition=HandoffTermination("user"), max_turns=2)
    await team.run(task="go")
    with pytest.raises(AgentFailed, match="flaky"):
        await team.run(task="the early one")

    assert sources(await team.run()) == ["ben", "ben"]


async def test_a_task_that_hands_over_decides_who_begins() -> None:
    result = await Swarm([Agent("ana"), Agent("ben")], max_turns=1).run(task=to("ben", "user"))

    assert sources(result) == ["user", "ben"]


async def test_the_last_handoff_of_a_task_of_several_messages_decides() -> None:
    task = [to("user", "ben"), to("ana", "user"), TextMessage(content="please", source="user")]

    result = await Swarm([Agent("ben"), Agent("ana")], max_turns=1).run(task=task)

    assert sources(result)[-1] == "ana"


async def test_a_task_that_hands_over_to_nobody_here_is_refused_before_anything_is_said() -> None:
    team = Swarm([Agent("ana"), Agent("ben")], max_turns=1)

    with pytest.raises(ValueError, match=r"The task hands over to 'xena', who takes no part here .*'ana', 'ben'"):
        await team.run(task=to("xena", "user"))

    assert sources(await team.run(task="go")) == ["user", "ana"]


# -- what goes wrong --------------------------------------------------------------------------------------------------


async def test_a_handoff_to_nobody_here_ends_the_run_and_names_the_target() -> None:
    team = Swarm([Agent("ana", to("bem")), Agent("ben")], max_turns=3)

    with pytest.raises(
        RuntimeError, match=r"'ana' handed over to 'bem', who takes no part here .*'ana', 'ben'.*Handoff"
    ):
        await team.run(task="go")


async def test_a_run_after_a_handoff_to_nobody_goes_on_with_who_handed_over() -> None:
    team = Swarm([Agent("ana", to("bem"), to("ben")), Agent("ben")], max_turns=2)
    with pytest.raises(AgentFailed):
        await team.run(task="go")

    assert sources(await team.run(task="you meant ben")) == ["user", "ana", "ben"]


async def test_a_second_handoff_to_nobody_in_one_conversation_is_an_error_again() -> None:
    team = Swarm([Agent("ana", to("bem")), Agent("ben")], max_turns=3)

    for task in ("go", "you meant ben"):
        with pytest.raises(AgentFailed, match="'bem'"):
            await team.run(task=task)


async def test_the_limit_of_turns_comes_before_a_handoff_to_nobody_is_an_error() -> None:
    result = await Swarm([Agent("ana", to("bem")), Agent("ben")], max_turns=1).run(task="go")

    assert result.stop_reason == "the limit of 1 turn was reached"


def test_the_first_participant_must_be_able_to_hand_over() -> None:
    with pytest.raises(ValueError, match="The first participant, 'ana', cannot hand over"):
        Swarm([Speaker("ana"), Agent("ben")])

    Swarm([Agent("ben"), Speaker("ana")])


def test_a_team_may_not_take_part() -> None:
    inner = RoundRobinGroupChat([Agent("ana")], name="inner")

    with pytest.raises(TypeError, match="Swarm takes agents only, and 'inner' is a team"):
        Swarm([Agent("ben"), inner])  # type: ignore[list-item]


async def test_after_a_participant_failed_the_next_run_goes_on_with_it() -> None:
    team = Swarm([Agent("ana", to("ben")), Agent("ben", RuntimeError("flaky"), "b", "b")], max_turns=2)
    with pytest.raises(AgentFailed, match="flaky"):
        await team.run(task="go")

    assert sources(await team.run(task="again")) == ["user", "ben", "ben"]


async def test_a_handoff_that_was_taken_back_is_not_followed() -> None:
    policy = HandoffPolicy()
    handoff = to("ben")
    thread: list[BaseAgentEvent | BaseChatMessage] = [TextMessage(content="go", source="user")]
    view = TeamView(["ana", "ben"], thread, 0)
    await policy.begin(view)
    await policy.heard(view, {"ana": [handoff]})

    thread.append(handoff)
    assert (await policy(view)).names == ("ben",)
    thread.remove(handoff)
    assert (await policy(view)).names == ("ana",)


# -- with models ------------------------------------------------------------------------------------------------------


def assistants() -> list[AssistantAgent]:
    """Ana hands over to Ben, who asks a person and then answers."""
    calling = ModelInfo(
        vision=False, function_calling=True, json_output=False, family="unknown", structured_output=False
    )

    def agent(name: str, *lines: str, handoffs: list[str]) -> AssistantAgent:
        answers = [
            CreateResult(
                finish_reason="function_calls" if line.startswith("transfer") else "stop",
                content=[FunctionCall(id="1", name=line, arguments="{}")] if line.startswith("transfer") else line,
                usage=RequestUsage(1, 1),
                cached=False,
            )
            for line in lines
        ]
        return AssistantAgent(name, ReplayChatCompletionClient(answers, calling), handoffs=handoffs)

    return [
        agent("ana", "transfer_to_ben", handoffs=["ben"]),
        agent("ben", "transfer_to_user", "booked", "sent", handoffs=["ana", "user"]),
    ]


async def test_assistants_hand_over_by_calling_a_tool() -> None:
    result = await Swarm(assistants(), termination_condition=HandoffTermination("user")).run(task="go")

    assert [(type(message).__name__, message.source) for message in result.messages] == [
        ("TextMessage", "user"),
        ("ToolCallRequestEvent", "ana"),
        ("ToolCallExecutionEvent", "ana"),
        ("HandoffMessage", "ana"),
        ("ToolCallRequestEvent", "ben"),
        ("ToolCallExecutionEvent", "ben"),
        ("HandoffMessage", "ben"),
    ]


async def test_a_component_loaded_again_runs_the_same() -> None:
    team = Swarm(assistants(), termination_condition=HandoffTermination("user"), emit_team_events=True, max_turns=2)
    written = json.loads(team.dump_component().model_dump_json())

    loaded = BaseGroupChat.load_component(written)

    assert isinstance(loaded, Swarm)
    assert loaded.dump_component() == team.dump_component()
    for task in ("go", "the early one"):
        first, second = await team.run(task=task), await loaded.run(task=task)
        assert [type(message) for message in second.messages] == [type(message) for message in first.messages]
        assert texts(second) == texts(first)
        assert second.stop_reason == first.stop_reason


async def test_a_loaded_team_of_assistants_goes_on_with_the_persons_answer() -> None:
    first = Swarm(assistants(), termination_condition=HandoffTermination("user"))
    await first.run(task="go")
    second = Swarm(
        [*assistants()[:1], AssistantAgent("ben", ScriptedChatCompletionClient(["booked"]), handoffs=["user"])],
        termination_condition=HandoffTermination("user"),
        max_turns=1,
    )

    await second.load_state(json.loads(json.dumps(await first.save_state())))

    assert texts(await second.run(task="the early one")) == ["the early one", "booked"]


# -- memory -----------------------------------------------------------------------------------------------------------


async def test_a_reset_begins_with_the_first() -> None:
    team = Swarm([Agent("ana", to("ben")), Agent("ben", "b")], max_turns=2)
    await team.run(task="go")
    await team.reset()

    assert sources(await team.run(task="go")) == ["user", "ana", "ben"]


async def test_the_state_has_autogens_fields() -> None:
    team = Swarm([Agent("ana", to("ben")), Agent("ben", "b")], max_turns=2)
    await team.run(task="go")

    manager = (await team.save_state())["agent_states"]["SwarmGroupChatManager"]

    assert (manager["type"], manager["current_speaker"]) == ("SwarmManagerState", "ben")
    assert {"version", "message_thread", "current_turn"} <= set(manager)


@pytest.mark.parametrize("turns", [1, 2, 3, 4, 5])
async def test_a_loaded_team_goes_on_as_the_saved_one_would_have(turns: int) -> None:
    def crew(limit: int) -> Swarm:
        ana = Agent("ana", "hm", to("ben"), "a")
        return Swarm([ana, Agent("ben", "b", to("ana", "ben"))], max_turns=limit)

    whole = await crew(turns + 4).run(task="go")
    first = crew(turns)
    await first.run(task="go")
    second = crew(4)
    await second.load_state(json.loads(json.dumps(await first.save_state())))

    assert texts(await second.run()) == texts(whole)[turns + 1 :]


async def test_a_loaded_team_waits_for_the_persons_answer_and_then_goes_on() -> None:
    first, second = (Swarm(people(), termination_condition=HandoffTermination("user"), max_turns=2) for _ in range(2))
    await first.run(task="go")

    await second.load_state(await first.save_state())

    with pytest.raises(ValueError, match="nobody has answered"):
        await second.run()
    assert sources(await second.run(task="the early one")) == ["user", "ben", "ben"]


async def test_a_team_loaded_after_the_persons_answer_goes_on_without_another() -> None:
    first, second = (Swarm(people(), termination_condition=HandoffTermination("user"), max_turns=2) for _ in range(2))
    await first.run(task="go")
    await first.run(task="the early one")  # Ben's next line is his first again

    await second.load_state(await first.save_state())

    assert texts(await second.run()) == ["which flight?"]


async def test_a_state_that_autogen_saved_is_read() -> None:
    """AutoGen saves who was chosen last, and its newest handoff decides."""
    thread = [message.dump() for message in (TextMessage(content="go", source="user"), to("ben"))]
    empty = {"type": "ChatAgentContainerState", "version": "1.0.0", "agent_state": {"turns": 0}, "message_buffer": []}
    manager = {
        "type": "SwarmManagerState",
        "version": "1.0.0",
        "message_thread": thread,
        "current_turn": 1,
        "current_speaker": "ana",
    }
    team = Swarm([Agent("ana"), Agent("ben")], max_turns=1)

    await team.load_state(
        {"type": "TeamState", "agent_states": {"ana": empty, "ben": empty, "SwarmGroupChatManager": manager}}
    )

    assert sources(await team.run()) == ["ben"]


async def test_a_saved_speaker_that_is_no_name_is_refused() -> None:
    team = Swarm([Agent("ana"), Agent("ben")])
    state = json.loads(json.dumps(await team.save_state()))
    state["agent_states"]["SwarmGroupChatManager"]["current_speaker"] = 5

    with pytest.raises(ValueError, match="'current_speaker' is 5; it must be a name"):
        await team.load_state(state)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.sampled_from(["a", "b", "c", "user", None]), min_size=1, max_size=4), min_size=3, max_size=3),
    st.integers(1, 12),
)
def test_however_agents_hand_over_the_speaker_is_the_target_of_the_newest_handoff(
    plans: list[list[str | None]], turns: int
) -> None:
    names = ["a", "b", "c"]
    team = Swarm(
        [
            Agent(name, *(to(target, name) if target else "text" for target in plan))
            for name, plan in zip(names, plans, strict=True)
        ],
        termination_condition=HandoffTermination("user"),
        max_turns=turns,
    )

    said = asyncio.run(team.run(task="go")).messages

    expected = "a"
    for message in said[1:]:
        assert message.source == expected
        if isinstance(message, HandoffMessage):
            expected = message.target
    assert len(said) == turns + 1 or expected == "user"
