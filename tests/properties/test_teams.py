"""Whatever a team does and whatever is done to it: it ends, its log tells the run exactly, and it goes on."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentnb.agents import AssistantAgent, BaseChatAgent
from agentnb.base import Response, TaskResult
from agentnb.conditions import MaxMessageTermination, TextMentionTermination
from agentnb.core import CancellationToken
from agentnb.exceptions import AgentFailed, ModelUnreachable
from agentnb.messages import (
    BaseChatMessage,
    FunctionCall,
    LLMMessage,
    ModelClientStreamingChunkEvent,
    TextMessage,
    ThoughtEvent,
)
from agentnb.models import ScriptedChatCompletionClient
from agentnb.runlog import RunFinished, RunLog, RunStarted, Said, TurnFinished, TurnStarted, result_of
from agentnb.teams import BaseGroupChat, RoundRobinGroupChat, SelectorGroupChat, Swarm, TeamView

NAMES = ("ana", "ben", "cara")


@dataclass(frozen=True)
class Line:
    """What an agent does in a turn."""

    text: str
    thoughts: int = 0
    pieces: int = 0
    waits: int = 0
    fails: bool = False


@dataclass(frozen=True)
class Plan:
    """A team, its agents' lines, and what is done to its run."""

    lines: dict[str, list[Line]]
    order: list[tuple[str, ...]]
    kind: str
    replies: list[str]
    max_turns: int | None
    limit: int | None
    act: str
    when: int


lines = st.builds(
    Line,
    text=st.sampled_from(["a", "b", "STOP", "c"]),
    thoughts=st.integers(0, 2),
    pieces=st.integers(0, 2),
    waits=st.integers(0, 4),
    fails=st.sampled_from([False] * 6 + [True]),
)
rounds = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True).map(tuple)
plans = st.builds(
    Plan,
    lines=st.fixed_dictionaries({name: st.lists(lines, min_size=1, max_size=4) for name in NAMES}),
    order=st.lists(rounds, min_size=1, max_size=5),
    kind=st.sampled_from(["policy", "nested", "assistants", "selector", "swarm"]),
    replies=st.lists(
        st.sampled_from(["text", "STOP", "tool", "two tools", "hand over", "error"]), min_size=1, max_size=6
    ),
    max_turns=st.integers(1, 6),
    limit=st.none() | st.integers(1, 12),
    act=st.sampled_from(["nothing", "token", "task", "stop", "close", "pause"]),
    when=st.integers(0, 25),
)


class Actor(BaseChatAgent):
    """Follows its lines; its place in them is its state."""

    produced_message_types = (TextMessage,)

    def __init__(self, name: str, script: Sequence[Line]) -> None:
        super().__init__(name, name)
        self.script = script
        self.turn = 0

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        raise NotImplementedError

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[Any, None]:
        line = self.script[self.turn % len(self.script)]
        self.turn += 1
        for number in range(line.thoughts):
            yield ThoughtEvent(content=f"thought {number}", source=self.name)
        for _ in range(line.waits):
            await asyncio.sleep(0)
        for _ in range(line.pieces):
            yield ModelClientStreamingChunkEvent(content="…", source=self.name)
        if line.fails:
            raise ValueError(line.text)
        yield Response(chat_message=TextMessage(content=f"{line.text} {len(messages)}", source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        self.turn = 0

    async def save_state(self) -> dict[str, Any]:
        return {"turn": self.turn}

    async def load_state(self, state: Any) -> None:
        self.turn = state["turn"]


def choose(messages: Sequence[LLMMessage]) -> str:
    """Choose a speaker by what was said; sometimes nobody."""
    return (*NAMES, "nobody")[len(str(messages[0].content)) % 4]


def assistant(name: str, plan: Plan) -> AssistantAgent:
    """An assistant whose model answers by how much it was told, so that it goes on alike after its state was loaded."""

    def answer(messages: Sequence[LLMMessage]) -> str | list[FunctionCall]:
        reply = plan.replies[len(messages) % len(plan.replies)]
        if reply == "error":
            raise ModelUnreachable("the line is dead")
        other = NAMES[(NAMES.index(name) + 1) % 3]
        call = FunctionCall(id=f"{len(messages)}", name="halve", arguments=f'{{"x": {len(messages)}}}')
        calls = {
            "tool": [call],
            "two tools": [call, FunctionCall(id="b", name="halve", arguments='{"x": 3}')],
            "hand over": [FunctionCall(id="h", name=f"transfer_to_{other}", arguments="{}")],
        }
        return calls.get(reply, f"{reply} {len(messages)}")

    async def halve(x: int) -> int:
        """Halve an even number."""
        await asyncio.sleep(0)
        if x % 2:
            raise ValueError(f"{x} is odd")
        return x // 2

    return AssistantAgent(
        name,
        ScriptedChatCompletionClient([answer], repeats=True),
        tools=[halve],
        handoffs=[other for other in NAMES if other != name],
        max_tool_iterations=2,
        model_client_stream=len(plan.replies) % 2 == 0,
    )


def make(plan: Plan) -> BaseGroupChat:
    actors = [Actor(name, plan.lines[name]) for name in NAMES]
    condition: Any = TextMentionTermination("STOP")
    if plan.limit is not None:
        condition = condition | MaxMessageTermination(plan.limit)
    if plan.kind in ("assistants", "selector", "swarm"):
        assistants = [assistant(name, plan) for name in NAMES]
        options: Any = {"max_turns": plan.max_turns, "termination_condition": condition, "emit_team_events": True}
        if plan.kind == "selector":
            return SelectorGroupChat(assistants, ScriptedChatCompletionClient([choose], repeats=True), **options)
        return (Swarm if plan.kind == "swarm" else RoundRobinGroupChat)(assistants, **options)
    if plan.kind == "nested":
        inner = RoundRobinGroupChat(actors[:2], name="inner", max_turns=2)
        return RoundRobinGroupChat(
            [inner, actors[2]], max_turns=plan.max_turns, termination_condition=condition, emit_team_events=True
        )

    def chosen(view: TeamView) -> tuple[str, ...]:
        return plan.order[view.turns % len(plan.order)]

    return BaseGroupChat(actors, chosen, max_turns=plan.max_turns, termination_condition=condition)


async def some_time(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


async def perform(plan: Plan, team: BaseGroupChat, log: RunLog) -> tuple[list[Any], TaskResult | None]:
    """Run the team, do to it what the plan says; return what was streamed or kept, and the result, if any."""
    if plan.act in ("nothing", "close"):
        said: list[Any] = []
        async with aclosing(team.run_stream(task="go", log=log)) as items:
            with suppress(AgentFailed, ModelUnreachable):
                async for item in items:
                    if isinstance(item, TaskResult):
                        return said, item
                    if not isinstance(item, ModelClientStreamingChunkEvent):
                        said.append(item)
                    if plan.act == "close" and len(said) > plan.when % 6:
                        break
        return said, None
    token = CancellationToken()
    run = team.start(task="go", log=log, cancellation_token=token)
    await some_time(plan.when)
    if plan.act == "token":
        token.cancel()
    elif plan.act == "task":
        run._working.cancel()
    elif plan.act == "stop":
        run.stop()
    else:
        run.pause()
        await some_time(10)
        run.resume()
    with suppress(AgentFailed, ModelUnreachable, asyncio.CancelledError):
        await run
    return list(run.messages), run.result if run.state == "done" else None


def check(log: RunLog, said: list[Any], result: TaskResult | None, act: str) -> None:
    assert [event.seq for event in log] == list(range(1, len(log) + 1))
    ids = Counter(event.body.message.id for event in log if isinstance(event.body, Said))  # type: ignore[attr-defined]
    assert not ids or max(ids.values()) == 1
    for begun, ended in ((RunStarted, RunFinished), (TurnStarted, TurnFinished)):
        starts = [event.id for event in log if isinstance(event.body, begun)]
        assert sorted(starts) == sorted(event.parent or "" for event in log if isinstance(event.body, ended))
    told = result_of(log)
    # A reader that leaves early has seen a beginning of what was said.
    assert [m.id for m in said] == [m.id for m in told][: len(said) if act == "close" else None]
    if result is not None:
        assert [m.id for m in result.messages] == [m.id for m in told]
        last = log.events[-1].body
        assert isinstance(last, RunFinished)
        assert last.stop_reason == result.stop_reason


async def play(plan: Plan) -> None:
    team, log = make(plan), RunLog()
    async with asyncio.timeout(10):
        said, result = await perform(plan, team, log)
        check(log, said, result, plan.act)
        state = json.loads(json.dumps(await team.save_state()))
        other = make(plan)
        await other.load_state(state)
        assert json.loads(json.dumps(await other.save_state())) == state
        assert await spoken(team, "more") == await spoken(other, "more")
        await team.reset()
        assert await spoken(team, "anew") == await spoken(make(plan), "anew")


async def spoken(team: BaseGroupChat, task: str) -> list[tuple[str, str]]:
    log = RunLog()
    with suppress(AgentFailed, ModelUnreachable):
        await team.run(task=task, log=log)
    return [(message.source, message.to_text()) for message in result_of(log)]


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(plans)
def test_any_team_ends_tells_its_run_exactly_and_goes_on_like_its_copy(plan: Plan) -> None:
    asyncio.run(play(plan))
