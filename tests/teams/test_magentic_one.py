"""An orchestrator with ledgers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from agentnb.agents import AssistantAgent
from agentnb.base import TaskResult, Team
from agentnb.conditions import MaxMessageTermination, TextMentionTermination
from agentnb.core import CancellationToken
from agentnb.exceptions import ModelRequestRefused, ModelResponseInvalid, ModelUnreachable
from agentnb.messages import (
    AssistantMessage,
    BaseChatMessage,
    CreateResult,
    Image,
    LLMMessage,
    MultiModalMessage,
    RequestUsage,
    TextMessage,
    ThoughtEvent,
    UserMessage,
)
from agentnb.models import ReplayChatCompletionClient, ScriptedChatCompletionClient
from agentnb.models.base import ModelInfo
from agentnb.models.replay import able_to_everything
from agentnb.runlog import RunStarted
from agentnb.teams import MagenticOneGroupChat, RoundRobinGroupChat
from agentnb.teams.magentic_prompts import LEDGER
from tests.teams.conftest import Speaker, Waiter, choices, sources, texts

BOSS = "MagenticOneOrchestrator"
PIXEL = Image.from_base64(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


def ledger(
    speaker: str = "ana", *, done: bool = False, loop: bool = False, progress: bool = True, say: str = "next step"
) -> str:
    """Return a progress ledger as JSON."""
    entries = {
        "is_request_satisfied": {"reason": "all there" if done else "not yet", "answer": done},
        "is_in_loop": {"reason": "loop", "answer": loop},
        "is_progress_being_made": {"reason": "progress", "answer": progress},
        "next_speaker": {"reason": f"{speaker} can", "answer": speaker},
        "instruction_or_question": {"reason": "it is next", "answer": say},
    }
    return json.dumps(entries)


DONE = ledger(done=True)
STALL = ledger(progress=False)


class Asked(ScriptedChatCompletionClient):
    """Also keeps which kind of output was asked for."""

    def __init__(self, script: Sequence[Any], model_info: ModelInfo | None = None) -> None:
        super().__init__(script, model_info=model_info)
        self.outputs: list[Any] = []

    async def create(
        self, messages: Sequence[LLMMessage], *, json_output: bool | type[BaseModel] | None = None, **options: Any
    ) -> CreateResult:
        self.outputs.append(json_output)
        return await super().create(messages, json_output=json_output, **options)


class Silent(ScriptedChatCompletionClient):
    """Answers until it is told to be silent; then it waits, paying no heed to its token."""

    def __init__(self, script: Sequence[Any], silent_at: int) -> None:
        super().__init__(script)
        self._left = silent_at
        self.reached = asyncio.Event()

    async def create(self, messages: Sequence[LLMMessage], **options: Any) -> CreateResult:
        self._left -= 1
        if self._left == -1:
            self.reached.set()
            await asyncio.Event().wait()
        return await super().create(messages, **options)


def team(script: Sequence[Any], *speakers: Speaker, **options: Any) -> MagenticOneGroupChat:
    client = ScriptedChatCompletionClient(script)
    return MagenticOneGroupChat(list(speakers) or [Speaker("ana"), Speaker("ben")], client, **options)


def model(crew: MagenticOneGroupChat) -> Any:
    return crew._orchestrator.client


def opening(task: str = "go", facts: str = "F", plan: str = "P", names: Sequence[str] = ("ana", "ben")) -> str:
    members = "\n".join(f"{name}: {name} speaks" for name in names)
    return LEDGER.format(task=task, team=members, facts=facts, plan=plan)


def said(result: TaskResult) -> list[tuple[str, str]]:
    return list(zip(sources(result), texts(result), strict=True))


def read(messages: Sequence[LLMMessage]) -> list[tuple[str, str]]:
    """Return what a model was shown: who said it ("me" for the orchestrator as assistant) and what."""

    def plain(content: Any) -> Any:
        parts = content if isinstance(content, list) else [content]
        return "".join(part.to_base64() if isinstance(part, Image) else part for part in parts)

    return [
        ("me" if isinstance(m, AssistantMessage) else m.source if isinstance(m, UserMessage) else "?", plain(m.content))
        for m in messages
    ]


async def memory(crew: MagenticOneGroupChat) -> dict[str, Any]:
    return dict((await crew.save_state())["agent_states"][BOSS])


# -- the course of a run ----------------------------------------------------------------------------------------------


async def test_facts_plan_ledgers_and_final_answer_come_in_this_order() -> None:
    ana, ben = Speaker("ana", "found it"), Speaker("ben", "checked")
    script = ["F", "P", ledger("ana", say="find it"), ledger("ben", say="check it"), DONE, "It is 42."]
    crew = team(script, ana, ben)

    result = await crew.run(task="go")

    assert said(result) == [
        ("user", "go"),
        (BOSS, opening()),
        (BOSS, "find it"),
        ("ana", "found it"),
        (BOSS, "check it"),
        ("ben", "checked"),
        (BOSS, "It is 42."),
    ]
    assert {type(message) for message in result.messages} == {TextMessage}
    assert result.stop_reason == "all there"
    assert ana.got == [[opening(), "find it"]]
    assert ben.got == [[opening(), "find it", "found it", "check it"]]


async def test_each_question_shows_the_model_what_was_said_and_the_orchestrator_as_itself() -> None:
    thinking = Speaker("ana", "found it", says_before=[ThoughtEvent(content="hm", source="ana")])
    crew = team(["F", "P", ledger("ana", say="find it"), DONE, "It is 42."], thinking)

    await crew.run(task="which {one}?")
    facts, plan, first, second, final = map(read, model(crew).asked)

    assert [who for who, _ in facts] == [BOSS]
    assert "which {one}?" in facts[0][1]
    assert plan[:2] == [*facts, ("me", "F")]
    assert "ana: ana speaks" in plan[2][1]
    ledger_said = opening("which {one}?", names=["ana"])
    assert first[:-1] == [("me", ledger_said)]
    assert second[:-1] == [("me", ledger_said), ("me", "find it"), ("ana", "found it")]
    assert first[-1] == second[-1]
    assert '"next_speaker": {"reason": "text", "answer": "one of: ana"}' in first[-1][1]
    assert final[:-1] == second[:-1]
    assert "which {one}?" in final[-1][1]


async def test_a_message_is_made_for_the_model_once_however_often_it_is_asked() -> None:
    crew = team(["F", "P", ledger(), ledger(), ledger(), DONE, "end"], Speaker("ana", "one", "two", "three"))

    await crew.run(task="go")
    *_, early, late, _ = model(crew).asked

    assert all(one is other for one, other in zip(early[:-1], late[:-1], strict=False))


async def test_participants_start_anew_with_the_plan_and_with_each_new_task() -> None:
    ana = Speaker("ana", "one", "two")
    crew = team(["F", "P", ledger(), DONE, "first", "F2", "P2", ledger(), DONE, "second"], ana)

    await crew.run(task="go")
    result = await crew.run(task="on")

    assert ana.calls == ["reset", "reset"]
    assert ana.got == [[opening("on", "F2", "P2", ["ana"]), "next step"]]
    assert said(result)[-1] == (BOSS, "second")
    assert (await memory(crew))["task"] == "on"
    assert (await memory(crew))["n_rounds"] == 2


async def test_every_choice_says_why_with_the_ledger_as_the_answer() -> None:
    crew = team(["F", "P", "nonsense", ledger("ben"), DONE, "end"])

    result = await crew.run(task="go")
    (choice,) = choices(result.log)

    assert (choice.names, choice.rule, choice.why) == (("ben",), "ledger", "ben can")
    assert (choice.candidates, choice.answer, choice.attempts) == (("ana", "ben"), ledger("ben"), 2)
    assert choice.asked is not None
    assert len(choice.asked) == 4, "facts, plan, and the ledger twice"


async def test_the_choice_of_speakers_is_told_when_asked_for_after_the_instruction() -> None:
    result = await team(["F", "P", ledger("ben"), DONE, "end"], emit_team_events=True).run(task="go")

    assert [type(m).__name__ for m in result.messages[2:5]] == ["TextMessage", "SelectSpeakerEvent", "TextMessage"]
    assert result.messages[3].source == BOSS


async def test_what_the_orchestrators_questions_cost_is_on_what_it_says() -> None:
    crew = team(["F", "P", ledger("ana"), DONE, "It is 42."])

    result = await crew.run(task="go")
    spent = [m.models_usage for m in result.messages if m.source == BOSS]

    assert all(usage is not None for usage in spent)
    total = RequestUsage(*(sum(getattr(u, f) for u in spent) for f in ("prompt_tokens", "completion_tokens")))
    assert total == model(crew).total_usage()


async def test_the_log_names_the_orchestrators_model_too() -> None:
    crew = team(["F", "P", DONE, "end"])

    result = await crew.run(task="go")

    assert result.log is not None
    assert [event.body.model for event in result.log if isinstance(event.body, RunStarted)] == ["scripted"]


# -- stalls and limits ------------------------------------------------------------------------------------------------


async def test_after_stalls_facts_and_plan_are_written_anew_and_everybody_starts_over() -> None:
    ana = Speaker("ana", "no luck", "no luck again", "found")
    script = ["F", "P", STALL, STALL, STALL, "F2", "P2", ledger(), DONE, "end"]
    crew = team(script, ana, max_stalls=3)

    result = await crew.run(task="go")

    assert said(result) == [
        ("user", "go"),
        (BOSS, opening(names=["ana"])),
        (BOSS, "next step"),
        ("ana", "no luck"),
        (BOSS, "next step"),
        ("ana", "no luck again"),
        (BOSS, opening(facts="F2", plan="P2", names=["ana"])),
        (BOSS, "next step"),
        ("ana", "no luck"),
        (BOSS, "end"),
    ]
    assert ana.calls == ["reset", "reset"]
    update, plan_update = read(model(crew).asked[5]), read(model(crew).asked[6])
    assert [who for who, _ in update] == ["me", "me", "ana", "me", "ana", BOSS]
    assert "F" in update[-1][1]
    assert plan_update[:-1] == [*update, ("me", "F2")]
    state = await memory(crew)
    assert (state["facts"], state["plan"]) == ("F2", "P2")


async def test_after_replanning_stalls_are_counted_from_nothing() -> None:
    script = ["F", "P", STALL, STALL, "F2", "P2", STALL, DONE, "end"]

    result = await team(script, max_stalls=2).run(task="go")

    assert sources(result) == ["user", BOSS, BOSS, "ana", BOSS, BOSS, "ana", BOSS]
    assert result.stop_reason == "all there"


async def test_progress_takes_back_one_stall_and_a_loop_is_one() -> None:
    loop = ledger(loop=True)
    crew = team(["F", "P", loop, ledger(), ledger(), loop, ledger(), DONE, "end"], max_stalls=2)

    result = await crew.run(task="go")

    assert sources(result).count("ana") == 5
    assert (await memory(crew))["n_stalls"] == 0


@pytest.mark.parametrize("limit", [1, 3])
async def test_at_most_max_turns_rounds_are_run_and_the_final_answer_is_still_given(limit: int) -> None:
    crew = team(["F", "P", *[ledger()] * limit, "As far as we came."], max_turns=limit)

    result = await crew.run(task="go")

    assert sources(result) == ["user", BOSS, *[BOSS, "ana"] * limit, BOSS]
    assert texts(result)[-1] == "As far as we came."
    assert result.stop_reason == f"the limit of {limit} rounds was reached"


async def test_replanning_without_end_is_ended_by_the_limit() -> None:
    crew = team(["F", "P", *[STALL, "F", "P"] * 4, "We give up."], max_turns=4, max_stalls=1)

    result = await crew.run(task="go")

    assert sources(result) == ["user", *[BOSS] * 6]
    assert result.stop_reason == "the limit of 4 rounds was reached"


async def test_without_max_turns_there_is_no_limit() -> None:
    crew = team(["F", "P", *[ledger()] * 30, DONE, "end"], max_turns=None)

    assert sources(await crew.run(task="go")).count("ana") == 30


@pytest.mark.parametrize(("option", "says"), [("max_turns", "max_turns is 0"), ("max_stalls", "max_stalls is 0")])
def test_limits_must_be_positive(option: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        team(["F"], **{option: 0})


async def test_a_condition_sees_what_participants_say_and_neither_task_nor_orchestrator() -> None:
    crew = team(
        ["F STOP", "P STOP", ledger(say="say STOP"), ledger("ben")],
        Speaker("ana", "no"),
        Speaker("ben", "STOP"),
        termination_condition=TextMentionTermination("STOP") | MaxMessageTermination(3),
    )

    result = await crew.run(task="STOP")

    assert sources(result) == ["user", BOSS, BOSS, "ana", BOSS, "ben"]
    assert "STOP" in str(result.stop_reason)


# -- what the model writes --------------------------------------------------------------------------------------------


def able(**changes: bool) -> ModelInfo:
    info = able_to_everything()
    info.update(changes)  # type: ignore[typeddict-item]
    return info


@pytest.mark.parametrize(
    ("info", "output"),
    [
        (able(), "ProgressLedger"),
        (able(structured_output=False), True),
        (able(structured_output=False, json_output=False), None),
    ],
    ids=["structured", "JSON mode", "text"],
)
async def test_the_ledger_is_asked_for_as_strictly_as_the_model_can(info: ModelInfo, output: Any) -> None:
    client = Asked(["F", "P", ledger("ana"), DONE, "end"], info)

    await MagenticOneGroupChat([Speaker("ana"), Speaker("ben")], client).run(task="go")

    kinds = [kind if not isinstance(kind, type) else kind.__name__ for kind in client.outputs]
    assert kinds == [None, None, output, output, None]


async def test_a_server_that_refuses_structured_output_is_asked_in_json_mode_and_then_for_text() -> None:
    refused = ModelRequestRefused("no such response_format")
    client = Asked(["F", "P", refused, refused, ledger("ben"), DONE, "end"])

    result = await MagenticOneGroupChat([Speaker("ana"), Speaker("ben")], client).run(task="go")

    assert sources(result) == ["user", BOSS, BOSS, "ben", BOSS]
    assert client.outputs[3:] == [True, None, None, None]


async def test_a_request_that_is_refused_in_every_way_comes_through_as_itself() -> None:
    crew = team(["F", "P", *[ModelRequestRefused("too long")] * 3, DONE, "end"])

    with pytest.raises(ModelRequestRefused, match="too long"):
        await crew.run(task="go")

    assert texts(await crew.run()) == ["end"]


async def test_a_ledger_that_the_client_itself_refuses_is_asked_for_again() -> None:
    cut = ModelResponseInvalid("cut off", partial=ledger()[:40])
    crew = team(["F", "P", cut, ledger("ben"), DONE, "end"])

    assert sources(await crew.run(task="go")) == ["user", BOSS, BOSS, "ben", BOSS]
    assert "It was cut off." in model(crew).asked[3][-1].content


async def test_a_ledger_that_was_cut_off_is_asked_for_again_and_not_mended() -> None:
    cut = CreateResult(
        finish_reason="length", content=ledger(say="do this")[:-8], usage=RequestUsage(1, 1), cached=False
    )
    crew = team(["F", "P", cut, ledger(say="do this and that"), DONE, "end"])

    assert texts(await crew.run(task="go"))[2] == "do this and that"


async def test_broken_ledger_json_is_mended_and_the_choice_says_so() -> None:
    crew = team(["F", "P", ledger("ben").replace("}}", "},}"), DONE, "end"])

    result = await crew.run(task="go")

    assert sources(result) == ["user", BOSS, BOSS, "ben", BOSS]
    assert (choices(result.log)[0].rule, choices(result.log)[0].attempts) == ("mended ledger", 1)


async def test_a_ledger_that_cannot_be_read_is_asked_for_again_with_what_was_wrong() -> None:
    lacking = json.dumps({key: value for key, value in json.loads(ledger()).items() if key != "is_in_loop"})
    crew = team(["F", "P", "I would rather not.", lacking, ledger("ben"), DONE, "end"])

    result = await crew.run(task="go")
    first, second, third = (read(messages) for messages in model(crew).asked[2:5])

    assert sources(result) == ["user", BOSS, BOSS, "ben", BOSS]
    assert second[:-1] == [*first, ("me", "I would rather not.")]
    assert "It is not valid JSON" in second[-1][1]
    assert third[:-1] == [*first, ("me", lacking)]
    assert "It lacks is_in_loop." in third[-1][1]
    assert choices(result.log)[0].attempts == 3


async def test_an_unknown_next_speaker_is_asked_for_again_with_the_names_and_does_not_fail_the_run() -> None:
    crew = team(["F", "P", ledger("zoe"), ledger("ben"), DONE, "end"])

    result = await crew.run(task="go")
    correction = model(crew).asked[3][-1].content

    assert sources(result) == ["user", BOSS, BOSS, "ben", BOSS]
    assert "'zoe', and nobody of that name is in the team" in correction
    assert "next_speaker is one of: ana, ben" in correction


async def test_ten_ledgers_that_cannot_be_used_end_the_run_with_what_lacks_and_the_reply() -> None:
    crew = team(["F", "P", *['{"next_speaker": "ana"}'] * 10, ledger(), DONE, "end"])

    with pytest.raises(
        ModelResponseInvalid, match=r"was asked 10 times .* It lacks is_request_satisfied, is_in_loop"
    ) as e:
        await crew.run(task="go")
    after = await crew.run()

    assert e.value.partial == '{"next_speaker": "ana"}'
    assert sources(after) == [BOSS, "ana", BOSS]


async def test_an_error_of_the_model_comes_through_as_itself_and_the_next_run_goes_on() -> None:
    crew = team(["F", ModelUnreachable("no line"), "F", "P", DONE, "end"])

    with pytest.raises(ModelUnreachable, match="no line"):
        await crew.run(task="go")

    assert texts(await crew.run()) == [opening(), "end"]


async def test_one_alone_speaks_whoever_the_ledger_names() -> None:
    result = await team(["F", "P", ledger("zoe"), DONE, "end"], Speaker("ana")).run(task="go")

    assert sources(result) == ["user", BOSS, BOSS, "ana", BOSS]
    assert choices(result.log)[0].rule == "only participant"


async def test_a_final_answer_prompt_of_ones_own_is_used_as_it_is() -> None:
    crew = team(["F", "P", DONE, "end"], final_answer_prompt='Answer as {"json": {}} for 100 %.')

    await crew.run(task="go")

    assert model(crew).asked[-1][-1].content == 'Answer as {"json": {}} for 100 %.'


async def test_a_final_answer_prompt_may_show_where_the_task_stands() -> None:
    """The prompt in a component that AutoGen wrote does, and would reach the model unfilled."""
    crew = team(["F", "P", DONE, "end"], final_answer_prompt="{task}: answer {this}.")

    await crew.run(task="go {now}")

    assert model(crew).asked[-1][-1].content == "go {now}: answer {this}."


# -- tasks ------------------------------------------------------------------------------------------------------------


async def test_the_tasks_messages_may_be_left_out_of_the_result() -> None:
    result = await team(["F", "P", DONE, "end"]).run(task="go", output_task_messages=False)

    assert texts(result) == [opening(), "end"]


def pictured() -> list[BaseChatMessage]:
    return [
        TextMessage(content="Look at this:", source="user"),
        MultiModalMessage(content=["a pixel", PIXEL], source="user"),
        TextMessage(content="What is it?", source="user"),
    ]


async def test_a_task_of_several_messages_is_one_and_its_images_reach_model_and_team() -> None:
    seen: list[BaseChatMessage] = []

    def look(messages: Sequence[BaseChatMessage]) -> str:
        seen.extend(messages)
        return "a pixel"

    crew = team(["F", "P", STALL, STALL, "F2", "P2", DONE, "end"], Speaker("ana", look), max_stalls=2)

    result = await crew.run(task=pictured())
    text = "Look at this: a pixel [image] What is it?"

    assert texts(result)[3] == opening(text, names=["ana"]) + "\n<image>"
    assert (await memory(crew))["task"] == text
    assert isinstance(seen[0], MultiModalMessage)
    assert isinstance(result.messages[6], MultiModalMessage), "told anew after replanning"
    facts, ledger_shown = model(crew).asked[0][0], model(crew).asked[2][0]
    assert [type(part) for part in facts.content] == [str, Image]
    assert [type(part) for part in ledger_shown.content] == [str, Image]


async def test_a_model_that_cannot_see_is_told_that_there_are_images() -> None:
    client = ScriptedChatCompletionClient(["F", "P", ledger(), DONE, "end"], model_info=able(vision=False))
    shown = MultiModalMessage(content=["look", PIXEL], source="ana")

    await MagenticOneGroupChat([Speaker("ana", shown)], client).run(task=pictured())

    contents = [message.content for messages in client.asked for message in messages]
    assert all(isinstance(content, str) for content in contents)
    assert "look [image]" in contents


async def test_without_a_task_there_must_be_one_to_go_on_with() -> None:
    crew = team(["F", "P", DONE, "end"])

    with pytest.raises(ValueError, match=r"this team was given none\. Pass task="):
        await crew.run()
    await crew.run(task="go")
    with pytest.raises(ValueError, match=r"the last one is done\. Pass task="):
        await crew.run()


async def test_a_run_that_a_condition_ended_goes_on_where_it_stood() -> None:
    ana = Speaker("ana", "one", "STOP")
    condition = TextMentionTermination("STOP")
    crew = team(["F", "P", ledger(), ledger(), ledger("ben"), DONE, "end"], ana, Speaker("ben"), max_turns=4)
    crew._condition = condition

    await crew.run(task="go")
    result = await crew.run()

    assert said(result) == [(BOSS, "next step"), ("ben", "ben says"), (BOSS, "end")]
    assert ana.calls == ["reset"]


async def test_a_run_that_met_the_limit_may_go_on_for_as_many_rounds_again() -> None:
    crew = team(["F", "P", ledger(), "so far", ledger(), "so far again"], max_turns=1)

    await crew.run(task="go")
    result = await crew.run()

    assert said(result) == [(BOSS, "next step"), ("ana", "ana says"), (BOSS, "so far again")]


# -- cancelling -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["token", "task"])
@pytest.mark.parametrize("at", [0, 1, 2, 3, 4], ids=["facts", "plan", "first ledger", "second ledger", "final answer"])
async def test_cancelling_while_the_model_is_asked_ends_promptly_and_the_next_run_goes_on(how: str, at: int) -> None:
    client = Silent(["F", "P", ledger(), DONE, "end", DONE, "end", DONE, "end"], at)
    if at < 2:
        client = Silent(["F", "F", "P", ledger(), DONE, "end"] if at else ["F", "P", ledger(), DONE, "end"], at)
    elif at == 4:
        client = Silent(["F", "P", ledger(), DONE, DONE, "end"], at)
    ana, token = Speaker("ana"), CancellationToken()
    crew = MagenticOneGroupChat([ana, Speaker("ben")], client)
    running = asyncio.ensure_future(crew.run(task="go", cancellation_token=token))
    await client.reached.wait()

    token.cancel() if how == "token" else running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 5)
    result = await crew.run()

    assert texts(result)[-1] == "end"
    assert result.stop_reason == "all there"
    assert ana.calls == ["reset"]
    assert ana.turns == 1


async def test_cancelling_while_a_participant_speaks_ends_promptly_and_the_next_run_goes_on() -> None:
    waiter, token = Waiter("ana"), CancellationToken()
    crew = team(["F", "P", ledger(), ledger("ben"), DONE, "end"], waiter, Speaker("ben"))
    running = asyncio.ensure_future(crew.run(task="go", cancellation_token=token))
    await waiter.begun.wait()

    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    result = await crew.run()

    assert waiter.cleaned
    assert sources(result) == [BOSS, "ben", BOSS]


async def test_a_second_run_at_the_same_time_is_refused_and_leaves_the_first_its_token() -> None:
    client, token = Silent(["F", "P", DONE, "end"], 0), CancellationToken()
    crew = MagenticOneGroupChat([Speaker("ana")], client)
    running = asyncio.ensure_future(crew.run(task="go", cancellation_token=token))
    await client.reached.wait()

    with pytest.raises(ValueError, match="is running already"):
        await crew.run(task="go")
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 5)


# -- state and components ---------------------------------------------------------------------------------------------


async def test_the_ledgers_are_in_the_saved_state_in_autogens_fields() -> None:
    crew = team(["F", "P", STALL, DONE, "end"], Speaker("ana", "STOP"))
    crew._condition = TextMentionTermination("STOP")
    await crew.run(task="go")

    state = await memory(crew)
    thread = state.pop("message_thread")

    assert [message["source"] for message in thread] == [BOSS, BOSS, "ana"]
    expected = {
        "type": "MagenticOneOrchestratorState",
        "version": "1.0.0",
        "current_turn": 0,
        "task": "go",
        "images": [],
        "facts": "F",
        "plan": "P",
        "n_rounds": 1,
        "n_stalls": 1,
        "ended": "",
    }
    assert {key: state[key] for key in expected} == expected


async def test_a_saved_team_goes_on_in_another_as_if_nothing_had_happened() -> None:
    def stop_once(messages: Sequence[BaseChatMessage]) -> str:
        return "found" if any("P2" in message.to_text() for message in messages) else "STOP"

    def crew(script: Sequence[Any]) -> MagenticOneGroupChat:
        condition = TextMentionTermination("STOP")
        return team(script, Speaker("ana", stop_once), max_turns=3, max_stalls=2, termination_condition=condition)

    rest = [STALL, "F2", "P2", ledger(), "as far as we came"]
    through, first, second = crew(["F", "P", STALL, *rest]), crew(["F", "P", STALL]), crew(rest)
    await through.run(task=pictured())
    await first.run(task=pictured())

    await second.load_state(json.loads(json.dumps(await first.save_state())))
    expected, result = await through.run(), await second.run()

    assert said(result) == said(expected)
    assert [type(message) for message in result.messages] == [type(message) for message in expected.messages]
    assert texts(result)[-1] == "as far as we came"
    assert [read(asked) for asked in model(second).asked] == [read(asked) for asked in model(through).asked[3:]]
    left, right = await memory(second), await memory(through)
    assert len(left.pop("message_thread")) == len(right.pop("message_thread"))
    assert left == right


async def test_a_state_that_autogen_saved_is_loaded_and_goes_on() -> None:
    crew = team([DONE, "end"])
    told = TextMessage(content="L", source=BOSS)
    state = {
        "type": "TeamState",
        "version": "1.0.0",
        "agent_states": {
            name: {"type": "ChatAgentContainerState", "agent_state": {"turns": 0}, "message_buffer": []}
            for name in ("ana", "ben")
        }
        | {
            BOSS: {
                "type": "MagenticOneOrchestratorState",
                "version": "1.0.0",
                "message_thread": [dict(told.dump())],
                "current_turn": 0,
                "task": "go",
                "facts": "F",
                "plan": "P",
                "n_rounds": 2,
                "n_stalls": 1,
            }
        },
    }

    await crew.load_state(state)
    result = await crew.run()

    assert texts(result) == ["end"]
    assert read(model(crew).asked[0])[0] == ("me", "L")
    assert (await memory(crew))["n_rounds"] == 3


@pytest.mark.parametrize("spoil", [{"n_rounds": "many"}, {"task": None}, {"ended": "perhaps"}])
async def test_a_damaged_state_is_refused(spoil: dict[str, Any]) -> None:
    crew = team(["F", "P", DONE, "end"])
    await crew.run(task="go")
    state: Any = json.loads(json.dumps(await crew.save_state()))
    state["agent_states"][BOSS] |= spoil

    with pytest.raises(ValueError, match=f"(?s)cannot be read: .*{next(iter(spoil))}"):
        await crew.load_state(state)


async def test_a_reset_forgets_task_ledgers_and_counts() -> None:
    crew = team(["F", "P", ledger(), "so far"], max_turns=1)
    await crew.run(task="go")

    await crew.reset()

    assert (await memory(crew))["task"] == ""
    with pytest.raises(ValueError, match="this team was given none"):
        await crew.run()


answers_ = st.lists(
    st.sampled_from([ledger(), ledger("ben"), STALL, ledger("ben", loop=True), DONE, ledger("zoe"), "{", '{"a": 1}']),
    max_size=9,
)


@settings(max_examples=60, deadline=None)
@given(answers_, st.integers(1, 5), st.integers(1, 3))
def test_whatever_the_ledgers_say_a_run_ends_and_one_saved_after_every_turn_goes_the_same_way(
    answers: list[str], max_turns: int, max_stalls: int
) -> None:
    """With its last answer over and over; a model that never gives a usable ledger is another test's."""

    def written(coming: Iterator[str]) -> Any:
        def answer(messages: Sequence[LLMMessage]) -> str:
            asked = str(messages[-1].content)
            return next(coming) if asked.startswith(("Take stock", "That answer")) else f"text {len(messages)}"

        return answer

    def crew(coming: Iterator[str], **options: Any) -> MagenticOneGroupChat:
        client = ScriptedChatCompletionClient([written(coming)], repeats=True)
        people = [Speaker("ana"), Speaker("ben")]
        return MagenticOneGroupChat(people, client, max_turns=max_turns, max_stalls=max_stalls, **options)

    async def check() -> None:
        coming = [chain(answers, repeat(ledger())) for _ in range(2)]
        whole = crew(coming[0])
        result = await whole.run(task="go")
        parts = crew(coming[1], termination_condition=MaxMessageTermination(1))
        part = await parts.run(task="go")
        pieces = said(part)
        while not (state := await memory(parts))["ended"]:
            saved = json.loads(json.dumps(await parts.save_state()))
            parts = crew(coming[1], termination_condition=MaxMessageTermination(1))
            await parts.load_state(saved)
            part = await parts.run()
            pieces += said(part)

        assert pieces == said(result)
        assert part.stop_reason == result.stop_reason
        assert len(result.messages) - len([name for name in sources(result) if name in ("user", BOSS)]) <= max_turns
        assert state["n_rounds"] == (await memory(whole))["n_rounds"] <= max_turns
        assert sources(result)[-1] == BOSS

    asyncio.run(check())


def replayed(*answers: str) -> MagenticOneGroupChat:
    agent = AssistantAgent("ana", ReplayChatCompletionClient(["found it"]), description="finds things")
    return MagenticOneGroupChat(
        [agent],
        ReplayChatCompletionClient(list(answers)),
        termination_condition=MaxMessageTermination(9),
        max_turns=7,
        max_stalls=2,
        final_answer_prompt="Well?",
        emit_team_events=True,
    )


async def test_a_team_is_written_and_made_again_and_runs_the_same() -> None:
    crew = replayed("F", "P", ledger(), DONE, "end")
    written = crew.dump_component()

    again = Team.load_component(json.loads(written.model_dump_json()))
    expected, result = await crew.run(task="go"), await again.run(task="go")

    assert written.component_type == "team"
    assert written.version == 1
    assert {key: value for key, value in written.config.items() if not isinstance(value, dict | list)} == {
        "max_turns": 7,
        "max_stalls": 2,
        "final_answer_prompt": "Well?",
        "emit_team_events": True,
    }
    assert set(written.config) >= {"participants", "model_client", "termination_condition"}
    assert (said(result), result.stop_reason) == (said(expected), expected.stop_reason)


async def test_a_team_that_autogen_wrote_is_loaded() -> None:
    data = json.loads(replayed("F").dump_component().model_dump_json())
    data["provider"] = "autogen_agentchat.teams.MagenticOneGroupChat"
    data["config"]["name"] = "crew"

    crew = Team.load_component(data)

    assert isinstance(crew, MagenticOneGroupChat)
    assert crew.name == "crew"


@pytest.mark.parametrize(
    ("client", "options", "says"),
    [
        ("x", {}, "The model_client of MagenticOneGroupChat is 'x'; give a model client"),
        (
            ScriptedChatCompletionClient(["F"]),
            {"final_answer_prompt": 3},
            "The final_answer_prompt of MagenticOneGroupChat is 3; it must be a text",
        ),
    ],
)
def test_an_argument_of_another_kind_is_refused_by_name(client: Any, options: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        MagenticOneGroupChat([Speaker("ana")], client, **options)


def test_teams_may_not_take_part() -> None:
    with pytest.raises(TypeError, match="takes agents only, and 'RoundRobinGroupChat' is a team"):
        team(["F"], RoundRobinGroupChat([Speaker("ana")]))  # type: ignore[arg-type]
