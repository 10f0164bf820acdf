"""A team's saved state: the caller's own, cheap to save again, and loaded whole or not at all."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentnb.agents import AssistantAgent
from agentnb.base import Response
from agentnb.conditions import MaxMessageTermination
from agentnb.core import CancellationToken
from agentnb.exceptions import UserError
from agentnb.messages import (
    BaseChatMessage,
    BaseTextChatMessage,
    HandoffMessage,
    StructuredMessage,
    TextMessage,
    ToolCallRequestEvent,
)
from agentnb.models import ScriptedChatCompletionClient
from agentnb.runlog import AgentState, RunLog
from agentnb.teams import RoundRobinGroupChat, SelectorGroupChat
from tests.compat.states.programs import Place
from tests.strategies import messages as any_messages
from tests.teams.conftest import Speaker

MANAGER = "RoundRobinGroupChatManager"


def crew(**options: Any) -> RoundRobinGroupChat:
    """Three assistants who say who they are."""
    agents = [AssistantAgent(name, ScriptedChatCompletionClient([name] * 50)) for name in ("ana", "ben", "cleo")]
    return RoundRobinGroupChat(agents, **{"max_turns": 4, **options})


async def plain(team: RoundRobinGroupChat) -> Any:
    return json.loads(json.dumps(await team.save_state()))


def dicts(value: Any) -> list[dict[str, Any]]:
    """Return every dict within a state."""
    if isinstance(value, Mapping):
        return [value, *(one for part in value.values() for one in dicts(part))]  # type: ignore[list-item]
    return [one for part in value for one in dicts(part)] if isinstance(value, list) else []


class Keeper(Speaker):
    """Returns what it goes on with as its state, as users' agents do."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.heard: dict[str, list[str]] = {"all": []}

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        self.heard["all"] += [message.to_text() for message in messages]
        return await super().on_messages(messages, cancellation_token)

    async def save_state(self) -> Mapping[str, Any]:
        return {"heard": self.heard}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        self.heard["all"][:] = state["heard"]["all"]


async def test_a_saved_state_stays_as_it_was_when_an_agent_goes_on_with_the_very_list_it_returned() -> None:
    team = RoundRobinGroupChat([Keeper("ana")], max_turns=1)
    await team.run(task="one")

    state = await team.save_state()
    await team.run(task="two")

    assert state["agent_states"]["ana"]["agent_state"] == {"heard": {"all": ["one"]}}


async def test_an_agent_that_loads_into_its_own_list_is_put_back_when_another_fails_to_load() -> None:
    class Refuses(Speaker):
        async def load_state(self, state: Mapping[str, Any]) -> None:
            if state["turns"] == 1:
                raise ValueError("not mine")

    ana = Keeper("ana")
    team = RoundRobinGroupChat([ana, Refuses("ben")], max_turns=2)
    empty = await plain(team)
    await team.run(task="one")
    empty["agent_states"]["ben"]["agent_state"]["turns"] = 1

    with pytest.raises(UserError, match="not mine"):
        await team.load_state(empty)

    assert ana.heard == {"all": ["one"]}


async def test_a_log_has_each_state_of_an_agent_that_always_returns_the_same_list() -> None:
    team = RoundRobinGroupChat([Keeper("ana")], max_turns=2)
    log = RunLog()

    await team.run(task="one", log=log)
    await team.run(task="two", log=log)

    states = [event.body.state for event in log if isinstance(event.body, AgentState)]
    assert states[-1]["heard"]["all"] == ["one", "two"]
    assert states[0]["heard"]["all"] == ["one"]


@pytest.mark.parametrize("loaded", [False, True])
async def test_changing_a_state_changes_neither_the_team_nor_any_other_state(loaded: bool) -> None:
    team = crew()
    await team.run(task="go")
    if loaded:
        team, state = crew(), await plain(team)
        await team.load_state(state)
    before, changed = await team.save_state(), await team.save_state()
    kept = json.dumps(before)

    for one in dicts(changed):
        one.update(content="changed", source="nobody", new=1)
    for agent in ("ana", "ben", "cleo"):
        changed["agent_states"][agent]["message_buffer"].clear()

    assert json.dumps(before) == kept
    assert json.dumps(await team.save_state()) == kept
    assert "changed" not in [message.to_text() for message in (await team.run()).messages]


async def test_a_state_is_not_changed_by_what_is_said_later() -> None:
    team = crew()
    await team.run(task="go")
    state = await team.save_state()
    kept = json.dumps(state)

    await team.run(task="more")
    later = await team.save_state()

    assert json.dumps(state) == kept
    thread = later["agent_states"][MANAGER]["message_thread"]
    said = ["go", "ana", "ben", "cleo", "ana", "more", "ben", "cleo", "ana", "ben"]
    assert [message["content"] for message in thread] == said


async def test_what_was_loaded_is_not_changed_through_the_state_given() -> None:
    first, second = crew(), crew()
    await first.run(task="go")
    state = await plain(first)
    kept = json.dumps(state)

    await second.load_state(state)
    for one in dicts(state):
        one.clear()

    assert json.dumps(await second.save_state()) == kept


async def test_a_team_that_took_over_a_state_in_the_same_process_shares_nothing_with_the_first() -> None:
    first, second = crew(), crew()
    await first.run(task="go")
    state = await first.save_state()
    kept = json.dumps(state)

    await second.load_state(state)
    for message in second._thread.messages:
        message.source = "changed"
    for agent in second.participants:
        for heard in await agent.model_context.get_messages():  # type: ignore[union-attr]
            heard.source = "changed"

    assert json.dumps(state) == json.dumps(await first.save_state()) == kept
    assert json.dumps(await second.save_state()) != kept


async def test_a_state_is_a_plain_list_once_it_is_copied_or_pickled() -> None:
    team = crew()
    await team.run(task="go")
    state = await team.save_state()

    thread = state["agent_states"][MANAGER]["message_thread"]

    assert isinstance(thread, list)
    for again in (copy.deepcopy(state), copy.copy(state), pickle.loads(pickle.dumps(state))):
        assert again == state
    assert type(copy.deepcopy(thread)) is list
    assert [1] + thread == [1, *thread]  # noqa: RUF005


async def test_a_message_is_written_once_however_often_the_team_is_saved() -> None:
    written: list[str] = []

    class Counted(TextMessage):
        def dump(self) -> Mapping[str, Any]:
            written.append(self.content)
            return super().dump()

    team = RoundRobinGroupChat(
        [Speaker("ana", *(Counted(content=str(n), source="ana") for n in range(9)))],
        custom_message_types=[Counted],
        max_turns=3,
    )
    for _ in range(2):
        await team.run()
        for _ in range(3):
            await team.save_state()

    assert written == ["0", "1", "2", "3", "4", "5"]


async def test_a_message_whose_attribute_is_set_is_written_anew() -> None:
    team = crew()
    result = await team.run(task="go")
    await team.save_state()

    said: Any = result.messages[1]
    said.content = "mended"
    ana: Any = team.participants[0]
    entry = (await ana.model_context.get_messages())[0]
    entry.content = "other"
    state = await plain(team)

    assert state["agent_states"][MANAGER]["message_thread"][1]["content"] == "mended"
    assert state["agent_states"]["ana"]["agent_state"]["llm_context"]["messages"][0]["content"] == "other"


@given(said=st.lists(any_messages, max_size=6))
def test_whatever_is_said_is_saved_as_it_dumps_and_comes_back(said: list[Any]) -> None:
    async def check() -> None:
        kinds = {type(message) for message in said}
        team, other = (crew(max_turns=1) for _ in range(2))
        for one in (team, other):
            for kind in kinds:
                if not one._factory.is_registered(kind):
                    one._factory.register(kind)
        team._thread.add(said, None)
        state = await plain(team)
        await other.load_state(state)

        assert state["agent_states"][MANAGER]["message_thread"] == [m.model_dump(mode="json") for m in said]
        assert await plain(other) == state
        assert other._thread.messages == said
        chat = [message for message in said if isinstance(message, BaseChatMessage)]
        assert other._thread.unheard("ana") == tuple(chat)

    asyncio.run(check())


SPOILS: list[tuple[Callable[[Any], Any], str]] = [
    (lambda s: s["agent_states"]["cleo"].update(agent_state={"type": "BaseState"}), "'cleo' is of no AssistantAgent"),
    (lambda s: s["agent_states"]["cleo"].update(agent_state=7), "agent 'cleo' is 7"),
    (lambda s: s["agent_states"]["cleo"]["agent_state"].update(llm_context=[1]), r"'llm_context' is \[1\]"),
    (lambda s: s["agent_states"]["cleo"]["agent_state"].update(unanswered=[3]), r"\[3\] is 'unanswered'"),
    (
        lambda s: s["agent_states"]["cleo"]["agent_state"]["llm_context"]["messages"][1].pop("source"),
        r"Message 2 of the model context cannot be read: .*source: Field required",
    ),
    (
        lambda s: s["agent_states"]["cleo"]["agent_state"]["llm_context"]["messages"][1].update(content=1),
        "Message 2 of the model context",
    ),
    (lambda s: s["agent_states"]["cleo"].update(message_buffer="x"), "unheard by 'cleo' are 'x'"),
    (lambda s: s["agent_states"]["cleo"]["message_buffer"].append(None), "unheard by 'cleo' is None"),
    (lambda s: s["agent_states"][MANAGER].update(message_thread=None), "of the thread are None; they must be a list"),
    (
        lambda s: s["agent_states"][MANAGER]["message_thread"][1].update(type="Poem"),
        "type 'Poem' .*custom_message_types",
    ),
    (
        lambda s: s["agent_states"][MANAGER]["message_thread"][1].update(created_at="yesterday"),
        "Message 2 of the thread, a TextMessage, cannot be read: created_at: .*'yesterday'",
    ),
    (lambda s: s["agent_states"][MANAGER]["message_thread"][1].update(metadata={"a": 1}), "Message 2 of the thread"),
    (lambda s: s["agent_states"][MANAGER].update(next_speaker_index="x"), "who chooses the speakers cannot be read"),
    (
        lambda s: s["agent_states"][MANAGER].update(turns="x"),
        "'turns' and 'last_speakers' are 'x' and .*; they must be a number and a list of names",
    ),
    (lambda s: s.update(termination_condition={"type": "Other"}), "termination condition 'Other'"),
    (
        lambda s: s.update(
            termination_condition={"type": "MaxMessageTermination", "messages": "x", "terminated": False}
        ),
        "The state of the termination condition cannot be read",
    ),
    (lambda s: s["agent_states"].pop("cleo"), "lacks 'cleo' .*same kind"),
]


@pytest.mark.parametrize(("spoil", "says"), SPOILS)
async def test_a_state_that_cannot_be_read_changes_nothing_of_a_team_with_a_past(
    spoil: Callable[[Any], Any], says: str
) -> None:
    first, team = crew(), crew(termination_condition=MaxMessageTermination(9))
    await first.run(task="go")
    state = await plain(first)
    spoil(state)
    await team.run(task="another past")
    before = await plain(team)

    with pytest.raises(UserError, match=says):
        await team.load_state(state)

    assert await plain(team) == before
    assert [m.to_text() for m in (await team.run(task="on")).messages][:2] == ["on", "ben"]


async def test_agents_are_put_back_when_one_of_them_refuses_its_state() -> None:
    class Refuses(Speaker):
        async def load_state(self, state: Mapping[str, Any]) -> None:
            self.turns = 99
            if state["turns"] != 0:
                raise KeyError("no")
            self.turns = 0

    def team() -> RoundRobinGroupChat:
        return RoundRobinGroupChat([Speaker("ana"), Refuses("ben"), Speaker("cleo")], max_turns=3)

    first, second = team(), team()
    await first.run(task="go")

    with pytest.raises(UserError, match="The state of 'ben' cannot be read: KeyError: 'no'"):
        await second.load_state(await first.save_state())

    assert [agent.turns for agent in second.participants] == [0, 0, 0]  # type: ignore[union-attr]


async def test_a_state_of_another_kind_of_team_names_what_it_lacks() -> None:
    first = crew()
    await first.run(task="go")
    agents = [AssistantAgent(name, ScriptedChatCompletionClient([name])) for name in ("ana", "ben", "cleo")]
    other = SelectorGroupChat(agents, ScriptedChatCompletionClient(["ana"]))

    with pytest.raises(UserError, match=r"lacks 'SelectorGroupChatManager' .*a team of the same kind"):
        await other.load_state(await first.save_state())


@pytest.mark.parametrize("state", [None, [], {}, {"agent_states": 3}, {"llm_context": {"messages": []}}])
async def test_what_is_no_state_of_a_team_is_refused(state: Any) -> None:
    with pytest.raises(UserError, match="has no 'agent_states'; is it a team's"):
        await crew().load_state(state)


async def test_a_state_that_is_still_a_text_says_how_it_is_read() -> None:
    with pytest.raises(UserError, match=r"A text has to be read first: json\.loads\(state\)"):
        await crew().load_state(json.dumps(await crew().save_state()))  # type: ignore[arg-type]


async def test_messages_of_ones_own_kind_need_their_class_where_they_are_loaded() -> None:
    kind = StructuredMessage[Place]

    def team(*types: Any) -> RoundRobinGroupChat:
        return RoundRobinGroupChat([Speaker("ana")], custom_message_types=types, max_turns=1)

    first = team(kind)
    await first.run(task=kind(content=Place(city="Oslo", degrees=9), source="user"))
    state = await plain(first)

    with pytest.raises(UserError, match=r"StructuredMessage\[Place\].*custom_message_types"):
        await team().load_state(state)
    knows = team(kind)
    await knows.load_state(state)
    assert await plain(knows) == state


async def test_a_reset_after_loading_forgets_what_was_loaded() -> None:
    first, second = crew(), crew()
    fresh = await plain(second)
    await first.run(task="go")

    await second.load_state(await first.save_state())
    await second.reset()

    assert await plain(second) == fresh
    assert [m.to_text() for m in (await second.run(task="new")).messages][:2] == ["new", "ana"]


async def test_a_team_saved_while_it_runs_goes_on_elsewhere_with_what_was_said_until_then() -> None:
    states: list[Any] = []

    class Saves(Speaker):
        async def on_messages(self, messages: Any, cancellation_token: Any) -> Any:
            states.append(json.loads(json.dumps(await first.save_state())))
            return await super().on_messages(messages, cancellation_token)

    first = RoundRobinGroupChat([Speaker("ana"), Saves("ben")], max_turns=4)
    second = RoundRobinGroupChat([Speaker("ana"), Speaker("ben")], max_turns=1)
    await first.run(task="go")
    await second.load_state(states[0])
    await second.run()

    assert second.participants[1].got == [["go", "ana says"]]  # type: ignore[union-attr]


async def test_what_a_silent_participant_has_yet_to_hear_survives_two_states() -> None:
    def team() -> SelectorGroupChat:
        agents = [Speaker("ana", "a1", "a2"), Speaker("ben", "b1", "b2"), Speaker("cleo")]
        order = iter(["ana", "ben", "ana", "cleo"])
        client = ScriptedChatCompletionClient(["unused"])
        return SelectorGroupChat(agents, client, selector_func=lambda _: next(order), max_turns=2)

    def then(name: str) -> SelectorGroupChat:
        agents = [Speaker("ana", "a1", "a2"), Speaker("ben", "b1", "b2"), Speaker("cleo")]
        client = ScriptedChatCompletionClient(["unused"])
        return SelectorGroupChat(agents, client, selector_func=lambda _: name, max_turns=1)

    first, second, third = team(), then("ana"), then("cleo")
    await first.run(task="go")
    await second.load_state(json.loads(json.dumps(await first.save_state())))
    await second.run()
    await third.load_state(json.loads(json.dumps(await second.save_state())))
    await third.run()

    assert third.participants[2].got == [["go", "a1", "b1", "a2"]]  # type: ignore[union-attr]


async def test_handoffs_and_events_survive_a_state_beside_plain_text() -> None:
    context = [TextMessage(content="c", source="s").to_model_message()]
    handoff = HandoffMessage(content="take over", source="ana", target="ben", context=[*context])
    event = ToolCallRequestEvent(content=[], source="ana")
    first = RoundRobinGroupChat([Speaker("ana", handoff, says_before=[event]), Speaker("ben")], max_turns=1)
    await first.run(task="go")
    second = RoundRobinGroupChat([Speaker("ana"), Speaker("ben")], max_turns=1)

    await second.load_state(await plain(first))

    thread = second._thread.messages
    assert [type(message) for message in thread] == [TextMessage, ToolCallRequestEvent, HandoffMessage]
    assert all(isinstance(m, BaseTextChatMessage | ToolCallRequestEvent) for m in thread)
    assert thread[2] == handoff
