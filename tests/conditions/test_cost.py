"""Over because models have cost enough money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from agentnb.agents import AssistantAgent
from agentnb.base import Response
from agentnb.conditions import CostTermination
from agentnb.core import CancellationToken, EventId
from agentnb.messages import BaseChatMessage, CreateResult, RequestUsage, TextMessage, UserMessage
from agentnb.models import ScriptedChatCompletionClient
from agentnb.runlog import (
    ModelFinished,
    ModelStarted,
    RunFinished,
    RunLog,
    RunStarted,
    Said,
    TurnFinished,
    TurnStarted,
    Usage,
    observe,
)
from agentnb.runlog.scopes import scope
from agentnb.runtimes import SingleThreadedAgentRuntime
from agentnb.teams import BaseGroupChat, RoundRobinGroupChat
from tests.conditions.conftest import again, saved, text, thought
from tests.teams.conftest import Speaker, sources

QUESTION = UserMessage(content="Who speaks next?", source="team")
DOLLAR_A_TOKEN = {"*": (1e6, 1e6)}
"""Prices at which a token costs a dollar."""


def answer(prompt: int, completion: int, *, cached: bool = False, content: str = "hi") -> CreateResult:
    usage = RequestUsage(prompt, completion)
    return CreateResult(finish_reason="stop", content=content, usage=usage, cached=cached)


def assistant(name: str, *answers: CreateResult, model: str = "scripted") -> AssistantAgent:
    return AssistantAgent(name, ScriptedChatCompletionClient(list(answers), repeats=True, name=model))


async def ends(*agents: Any, condition: CostTermination, log: RunLog | None = None, max_turns: int = 9) -> Any:
    team = RoundRobinGroupChat(list(agents), termination_condition=condition, max_turns=max_turns)
    return await team.run(task="go", log=log)


# -- in a run ---------------------------------------------------------------------------------------------------------


async def test_the_run_ends_when_its_models_have_cost_the_limit() -> None:
    condition = CostTermination(0.5, prices={"gpt-4o-mini": (0.15, 0.60)})
    result = await ends(assistant("ana", answer(1_000_000, 100_000), model="openai:gpt-4o-mini"), condition=condition)

    assert sources(result) == ["user", "ana", "ana", "ana"]
    assert result.stop_reason == "the limit of 0.5 US dollars was reached (0.63)"


async def test_each_model_has_its_price_and_the_full_name_comes_first() -> None:
    prices = {"openai:big": (100.0, 0.0), "big": (1.0, 0.0), "*": (10.0, 0.0)}
    condition = CostTermination(1_000, prices)
    spent: list[float] = []

    def look(_: object) -> str:
        spent.append(condition.spent_usd)
        return "seen"

    agents = [assistant(f"a{i}", answer(1_000_000, 1), model=m) for i, m in enumerate(("openai:big", "azure:big", "x"))]
    await ends(*agents, Speaker("eve", look), condition=condition, max_turns=4)

    assert spent == [111.0]


async def test_a_cost_in_the_log_beats_the_price() -> None:
    condition = CostTermination(2.0)
    log, run, turn = begun()

    with scope(log, run, "team"):
        call(log, turn, usage=Usage(prompt_tokens=1, completion_tokens=1, cost_usd=1.5))
        assert await condition([]) is None
        call(log, turn, usage=Usage(prompt_tokens=1, completion_tokens=1, cost_usd=0.5))
        ended = await condition([])

    assert ended is not None
    assert condition.spent_usd == 2.0


async def test_a_model_that_chooses_the_speaker_costs_too() -> None:
    """It says nothing itself, so `models_usage` of the messages does not tell of it."""
    chooser = ScriptedChatCompletionClient([answer(3, 1, content="ana")], repeats=True)

    async def policy(view: Any) -> Sequence[str]:
        return [str((await chooser.create([QUESTION])).content)]

    team = BaseGroupChat([Speaker("ana")], policy, termination_condition=CostTermination(8, DOLLAR_A_TOKEN))
    result = await team.run(task="go")

    assert sources(result) == ["user", "ana", "ana"]


async def test_what_a_nested_team_spends_counts_for_the_team_round_it() -> None:
    inner = RoundRobinGroupChat([assistant("ana", answer(2, 1))], max_turns=1, name="inner")
    result = await ends(inner, condition=CostTermination(6, DOLLAR_A_TOKEN))

    assert sources(result) == ["user", "ana", "ana"]


async def test_it_counts_on_a_runtime_of_the_users_that_somebody_watches() -> None:
    runtime = SingleThreadedAgentRuntime()
    end = observe(lambda log: None)
    runtime.start()
    try:
        team = RoundRobinGroupChat(
            [assistant("ana", answer(1, 1))],
            termination_condition=CostTermination(4, DOLLAR_A_TOKEN),
            max_turns=9,
            runtime=runtime,
        )
        result = await team.run(task="go", log=RunLog())
    finally:
        await runtime.stop()
        end()

    assert sources(result) == ["user", "ana", "ana"]


async def test_what_another_run_in_the_same_log_spends_does_not_count() -> None:
    log = RunLog()
    for _ in range(2):
        result = await ends(
            assistant("ana", answer(1, 1)), condition=CostTermination(5, DOLLAR_A_TOKEN), log=log, max_turns=2
        )

        assert result.stop_reason == "the limit of 2 turns was reached"


async def test_cached_answers_cost_nothing() -> None:
    agent = assistant("ana", answer(9, 9, cached=True), answer(1, 1))

    result = await ends(agent, condition=CostTermination(2, DOLLAR_A_TOKEN))

    assert sources(result) == ["user", "ana", "ana"]


async def test_the_same_condition_counts_each_run_anew() -> None:
    condition = CostTermination(4, DOLLAR_A_TOKEN)
    team = RoundRobinGroupChat([assistant("ana", answer(1, 1))], termination_condition=condition)

    results = [await team.run(task="go", log=log) for log in [RunLog()] * 2]

    assert [sources(result) for result in results] == [["user", "ana", "ana"]] * 2


@pytest.mark.parametrize("asked", [True, False])
async def test_a_reset_in_mid_run_forgets_what_was_spent(asked: bool) -> None:
    condition = CostTermination(3, DOLLAR_A_TOKEN)
    log, run, turn = begun()

    with scope(log, run, "team"):
        call(log, turn, usage=Usage(prompt_tokens=2, completion_tokens=0))
        if asked:
            await condition([])
        await condition.reset()
        call(log, turn, usage=Usage(prompt_tokens=2, completion_tokens=0))

        assert await condition([]) is None
    assert condition.spent_usd == 2.0


@pytest.mark.parametrize("same_run", [True, False])
async def test_a_loaded_condition_counts_nothing_twice_and_nothing_out(same_run: bool) -> None:
    log, run, turn = begun()
    before = CostTermination(100, DOLLAR_A_TOKEN)
    after = again(before)
    assert isinstance(after, CostTermination)
    with scope(log, run, "team"):
        call(log, turn, usage=Usage(prompt_tokens=2, completion_tokens=0))
        await before([])
        state = saved(before)

    after.load_state(state)
    if not same_run:
        log, run, turn = begun()
    with scope(log, run, "team"):
        call(log, turn, usage=Usage(prompt_tokens=5, completion_tokens=0))
        await after([])

    assert after.spent_usd == 7.0


async def test_an_earlier_state_loaded_in_the_same_run_is_gone_on_from() -> None:
    log, run, turn = begun()
    condition = CostTermination(100, DOLLAR_A_TOKEN)
    with scope(log, run, "team"):
        call(log, turn, usage=Usage(prompt_tokens=2, completion_tokens=0))
        await condition([])
        state = saved(condition)
        call(log, turn, usage=Usage(prompt_tokens=5, completion_tokens=0))
        await condition([])

        condition.load_state(state)
        assert condition.spent_usd == 2.0
        await condition([])

    assert condition.spent_usd == 7.0


class Foreign(Speaker):
    """Asks a model that nobody records, and reports its tokens."""

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        return Response(chat_message=TextMessage(content="x", source=self.name, models_usage=RequestUsage(2, 1)))


async def test_tokens_that_an_agent_reports_count_where_no_call_was_recorded() -> None:
    chooser = ScriptedChatCompletionClient([answer(3, 1, content="ana")], repeats=True)

    async def policy(view: Any) -> Sequence[str]:
        return [str((await chooser.create([QUESTION])).content)]

    team = BaseGroupChat([Foreign("ana")], policy, termination_condition=CostTermination(14, DOLLAR_A_TOKEN))
    result = await team.run(task="go")

    assert sources(result) == ["user", "ana", "ana"]


# -- where it cannot be counted ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("prices", [None, {"gpt-4o": (2.5, 10.0)}])
async def test_a_model_without_a_price_is_an_error_not_a_limit_that_never_holds(prices: Any) -> None:
    expected = r"cannot tell what 'openai:unlisted' costs, .* prices=\{'unlisted': "
    with pytest.raises(ValueError, match=expected):
        await ends(assistant("ana", answer(1, 1), model="openai:unlisted"), condition=CostTermination(4, prices))


async def test_a_model_whose_price_is_published_needs_none() -> None:
    condition = CostTermination(0.5)
    result = await ends(assistant("ana", answer(1_000_000, 100_000), model="openai:gpt-4o-mini"), condition=condition)

    assert sources(result) == ["user", "ana", "ana", "ana"]
    assert result.stop_reason == "the limit of 0.5 US dollars was reached (0.63)"


async def test_a_price_given_by_name_comes_before_the_logs_and_that_before_the_price_of_all_others() -> None:
    log, run, turn = begun()
    said = Usage(prompt_tokens=1, completion_tokens=1, cost_usd=1.0)
    named, others = CostTermination(9, {"m": (1e6, 1e6)}), CostTermination(9, {"*": (1e6, 1e6)})
    call(log, turn, usage=said)
    call(log, turn, usage=said.model_copy(update={"cost_usd": None}))

    with scope(log, run, "team"):
        await named([])
        await others([])

    assert (named.spent_usd, others.spent_usd) == (4.0, 3.0)


async def test_a_price_that_is_given_comes_before_the_published_one() -> None:
    condition = CostTermination(0.5, prices={"*": (0.0, 0.0)})
    agent = assistant("ana", answer(1_000_000, 100_000), model="openai:gpt-4o-mini")
    result = await ends(agent, condition=condition, max_turns=5)

    assert result.stop_reason == "the limit of 5 turns was reached"


async def test_a_server_that_tells_no_tokens_is_an_error_not_a_limit_that_never_holds() -> None:
    with pytest.raises(ValueError, match=r"'scripted' answered without saying how many tokens"):
        await ends(assistant("ana", answer(0, 0)), condition=CostTermination(4, DOLLAR_A_TOKEN))


async def test_a_model_that_is_free_of_charge_never_ends_a_run() -> None:
    agents = [assistant("ana", answer(0, 0), model="local:m"), assistant("ben", answer(9, 9), model="local:m")]

    result = await ends(*agents, condition=CostTermination(0.01, {"m": (0, 0)}), max_turns=4)

    assert result.stop_reason == "the limit of 4 turns was reached"


async def test_what_could_not_be_counted_is_not_skipped_when_it_is_asked_again() -> None:
    log, run, turn = begun()
    condition = CostTermination(4)
    call(log, turn, usage=Usage(prompt_tokens=2, completion_tokens=0))

    with scope(log, run, "team"):
        for _ in range(2):
            with pytest.raises(ValueError, match="cannot tell what 'm' costs"):
                await condition([])


async def test_reported_tokens_of_an_unknown_model_need_a_price_for_all_others() -> None:
    prices = {"gpt-4o": (2.5, 10.0), "gpt-4o-mini": (0.15, 0.60)}

    with pytest.raises(ValueError, match=r"cannot tell what the tokens of 'ana' cost: .*prices=\{'\*'"):
        await ends(Foreign("ana"), condition=CostTermination(4, prices))


# -- outside of a run -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prices", [DOLLAR_A_TOKEN, {"gpt-4o": (1e6, 1e6)}])
async def test_outside_of_a_run_the_usage_of_messages_is_summed(prices: Mapping[str, tuple[float, float]]) -> None:
    condition = CostTermination(6, prices)

    assert await condition([text(usage=(2, 1)), thought(usage=(1, 1)), text()]) is None
    ended = await condition([text(usage=(0, 1))])

    assert ended is not None
    assert ended.content == "the limit of 6 US dollars was reached (6)"


async def test_outside_of_a_run_tokens_without_a_price_are_an_error() -> None:
    with pytest.raises(ValueError, match="cannot tell what the tokens of 'ana' cost"):
        await CostTermination(1)([text(usage=(1, 1))])


@pytest.mark.parametrize("bad", [0, -1, float("nan")])
def test_a_limit_that_is_no_amount_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match=f"usd is {bad}"):
        CostTermination(bad)


@pytest.mark.parametrize("bad", [(-1, 0), (1,), 3.0, "ab", (float("nan"), 1)])
def test_a_price_that_is_no_pair_of_amounts_is_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match=r"The price of 'm' is .* it must be two numbers"):
        CostTermination(1, {"m": bad})


def begun() -> tuple[RunLog, EventId, EventId]:
    """Begin a run with an earlier one in its log, and a turn."""
    log = RunLog()
    old = log.append(RunStarted(runner="team", runner_type="T")).id
    call(log, log.append(TurnStarted(agent="ana", turn=1), parent=old).id, usage=Usage(prompt_tokens=99))
    log.append(RunFinished(outcome="done"), parent=old)
    run = log.append(RunStarted(runner="team", runner_type="T")).id
    done = log.append(TurnStarted(agent="ben", turn=1), parent=run).id
    log.append(Said(message=text()), parent=done)
    log.append(TurnFinished(agent="ben", turn=1), parent=done)
    return log, run, log.append(TurnStarted(agent="ana", turn=2), parent=run).id


def call(log: RunLog, parent: EventId, *, usage: Usage) -> None:
    asked = log.append(ModelStarted(model="m"), parent=parent).id
    log.append(ModelFinished(model="m", result=answer(1, 1)), parent=asked, usage=usage)
