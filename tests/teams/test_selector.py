"""A model, or a function, says who speaks next."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentnb.agents import AssistantAgent
from agentnb.base import TaskResult
from agentnb.conditions import MaxMessageTermination
from agentnb.core import CancellationToken
from agentnb.exceptions import ModelRequestRefused, ModelResponseInvalid, ModelUnreachable, UserError
from agentnb.messages import (
    AssistantMessage,
    BaseAgentEvent,
    BaseChatMessage,
    FunctionCall,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    HandoffMessage,
    LLMMessage,
    ModelClientStreamingChunkEvent,
    RequestUsage,
    SelectorEvent,
    SelectSpeakerEvent,
    SystemMessage,
    TextMessage,
    ThoughtEvent,
    UserMessage,
)
from agentnb.model_context import BufferedChatCompletionContext, UnboundedChatCompletionContext
from agentnb.models import ModelInfo, ReplayChatCompletionClient, ScriptedChatCompletionClient
from agentnb.runlog import ModelStarted, Noted, RunLog, RunStarted, SpeakerChosen, shown, totals
from agentnb.teams import BaseGroupChat, RoundRobinGroupChat, SelectorGroupChat, TeamView
from agentnb.teams.selector import Selector
from tests.models.conftest import openai_server
from tests.models.server import OpenAIServer
from tests.teams.conftest import Speaker, choices, sources, texts

__all__ = ["openai_server"]

Said = Sequence[BaseAgentEvent | BaseChatMessage]


def info(**differs: Any) -> ModelInfo:
    """Describe a model that only reads and writes text."""
    plain = {"vision": False, "function_calling": False, "json_output": False, "family": "unknown"}
    return ModelInfo(**{**plain, "structured_output": False, **differs})  # type: ignore[typeddict-item]


def model(*answers: Any, **able: Any) -> ScriptedChatCompletionClient:
    return ScriptedChatCompletionClient(answers or ["nobody"], model_info=info(**able))


def crew(client: ScriptedChatCompletionClient, *names: str, **options: Any) -> SelectorGroupChat:
    people = [Speaker(name) for name in names or ("ana", "ben", "cara")]
    return SelectorGroupChat(people, client, **{"max_turns": 1, **options})


def asked(client: ScriptedChatCompletionClient, request: int = 0) -> list[str]:
    """Return the texts of a request."""
    return [str(message.content) for message in client.asked[request]]


# -- the question -----------------------------------------------------------------------------------------------------


async def test_the_model_is_asked_and_whom_it_names_speaks() -> None:
    client = model("ben", "cara", "ana")

    result = await crew(client, max_turns=3).run(task="go")

    assert sources(result) == ["user", "ben", "cara", "ana"]


async def test_the_prompt_holds_roles_candidates_and_history() -> None:
    client = model("ben", "cara")
    team = crew(client, max_turns=2, selector_prompt="roles:\n{roles}\n\ncandidates: {participants}\n\n{history}")

    await team.run(task="go")

    assert asked(client, 1) == [
        "roles:\nana: ana speaks\nben: ben speaks\ncara: cara speaks\n\n"
        "candidates: ['ana', 'cara']\n\n"
        "user: go\n\nben: ben says"
    ]


async def test_the_default_prompt_has_what_changes_behind_the_history() -> None:
    """Providers and the log pay for what a prompt does not share with the one before."""
    client = model("ben", "cara")

    await crew(client, max_turns=2).run(task="go")

    (first,), (second,) = asked(client, 0), asked(client, 1)
    assert "ana: ana speaks\nben: ben speaks" in first
    assert first.index("user: go") < first.index("['ana', 'ben', 'cara']")
    shared = second[: second.index("\n\nben: ben says")]
    assert first.startswith(shared)
    assert shared.endswith("user: go")


@pytest.mark.parametrize(
    ("family", "kind"),
    [("gpt-4o", SystemMessage), ("o3", SystemMessage), ("unknown", UserMessage), ("r1", UserMessage)],
)
async def test_models_of_openai_are_asked_with_a_system_message_others_with_a_users(
    family: str, kind: type[LLMMessage]
) -> None:
    client = model("ben", family=family)

    await crew(client).run(task="go")

    (question,) = client.asked[0]
    assert isinstance(question, kind)


async def test_events_and_streamed_pieces_are_no_part_of_the_history() -> None:
    client = model("ana", "ben")
    ana = Speaker("ana", "a", says_before=[ThoughtEvent(content="secret", source="ana")])

    await SelectorGroupChat(
        [ana, Speaker("ben"), Speaker("cara")], client, max_turns=2, selector_prompt="{history}"
    ).run(task="go")

    assert asked(client, 1) == ["user: go\n\nana: a"]


async def test_a_handoffs_context_is_part_of_the_history() -> None:
    before: list[LLMMessage] = [
        UserMessage(content="I want my money back", source="user"),
        AssistantMessage(content=[FunctionCall(id="1", name="look_up", arguments='{"order": 7}')], source="ana"),
        FunctionExecutionResultMessage(content=[FunctionExecutionResult(content="paid", name="look_up", call_id="1")]),
    ]
    ana = Speaker("ana", HandoffMessage(content="over to ben", source="ana", target="ben", context=before))
    client = model("ana", "ben")

    await SelectorGroupChat(
        [ana, Speaker("ben"), Speaker("cara")], client, max_turns=2, selector_prompt="{history}"
    ).run(task="go")

    assert asked(client, 1) == [
        'user: go\n\nuser: I want my money back\n\nana: look_up({"order": 7})\n\nana: over to ben'
    ]


async def test_an_own_context_says_what_the_model_is_shown() -> None:
    client = model("ana", "ben", "cara")
    team = crew(
        client, max_turns=3, model_context=BufferedChatCompletionContext(buffer_size=2), selector_prompt="{history}"
    )

    await team.run(task="go")

    assert asked(client, 2) == ["ana: ana says\n\nben: ben says"]


async def test_braces_in_what_is_said_do_no_harm() -> None:
    client = model("ana")

    await crew(client).run(task="{participants} {0} {nothing}")

    assert "user: {participants} {0} {nothing}" in asked(client)[0]


@pytest.mark.parametrize("prompt", ["{role}", "{0}", '{"name": 1}', "{", "{history.x}"])
def test_a_prompt_that_cannot_be_filled_in_is_refused_at_once(prompt: str) -> None:
    with pytest.raises(ValueError, match=r"selector_prompt cannot be filled in: .*\{\{ and \}\}"):
        crew(model("ana"), selector_prompt=prompt)


def test_a_prompt_that_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match="The selector_prompt is 3; it must be a text"):
        crew(model("ana"), selector_prompt=3)


async def test_a_prompt_may_hold_braces_written_twice_and_leave_parts_out() -> None:
    client = model("ana")

    await crew(client, selector_prompt="{{}} {participants}").run(task="go")

    assert asked(client) == ["{} ['ana', 'ben', 'cara']"]


async def test_a_name_that_is_part_of_another_never_matches_wrongly() -> None:
    """AutoGen reads "sql coder" as two names, and asks until it gives up."""
    client = model("sql coder")

    result = await crew(client, "sql", "sql_coder", "coder").run(task="go")

    assert sources(result) == ["user", "sql_coder"]
    assert len(client.asked) == 1


# -- asked again ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("whoever", "Your answer names none of the participants."),
        ("", "Your answer names none of the participants."),
        ("ben or cara", "Your answer names ben and cara; only one may speak."),
        ("ana", "ana has just spoken and may not speak twice in a row."),
    ],
)
async def test_an_answer_that_cannot_be_followed_is_asked_again_with_the_reason(answer: str, reason: str) -> None:
    client = model("ana", answer, "cara")

    result = await crew(client, max_turns=2).run(task="go")

    assert sources(result) == ["user", "ana", "cara"]
    question, *rest = asked(client, 2)
    assert question == asked(client, 1)[0]
    assert rest == [*filter(None, [answer]), f"{reason} Answer with one name from ['ben', 'cara'] and nothing else."]
    assert [message.type for message in client.asked[2][-1:]] == ["UserMessage"]


async def test_somebody_who_is_no_candidate_is_asked_again() -> None:
    """AutoGen lets anybody speak whom the model names, whatever `candidate_func` says."""
    client = model("cara", "ben")
    team = crew(client, candidate_func=lambda said: ["ana", "ben"])

    result = await team.run(task="go")

    assert sources(result) == ["user", "ben"]
    assert asked(client, 1)[-1].startswith("cara may not speak now. Answer with one name from ['ana', 'ben']")


async def test_an_answer_that_is_a_tool_call_counts_as_none() -> None:
    client = model([FunctionCall(id="1", name="ana", arguments="{}")], "ben", function_calling=True)

    assert sources(await crew(client).run(task="go")) == ["user", "ben"]


async def test_who_spoke_last_may_be_chosen_again_where_that_is_allowed() -> None:
    client = model("ana", "ana")

    result = await crew(client, max_turns=2, allow_repeated_speaker=True).run(task="go")

    assert sources(result) == ["user", "ana", "ana"]
    assert "['ana', 'ben', 'cara']" in asked(client, 1)[0]


async def test_who_spoke_last_is_still_barred_in_the_next_run() -> None:
    client = model("ana", "ana", "ben")
    team = crew(client)
    await team.run(task="go")

    assert sources(await team.run(task="on")) == ["user", "ben"]


async def test_who_spoke_last_may_be_chosen_if_the_candidates_name_them() -> None:
    """AutoGen offers such a candidate to the model and then refuses it."""
    client = model("ana", "ana")
    team = crew(client, max_turns=2, candidate_func=lambda said: ["ana", "ben"])

    assert sources(await team.run(task="go")) == ["user", "ana", "ana"]
    assert len(client.asked) == 2


async def test_after_the_attempts_who_spoke_last_goes_on_where_that_is_allowed() -> None:
    client = model("ben", "who?", "who?")

    result = await crew(client, max_turns=2, max_selector_attempts=2, allow_repeated_speaker=True).run(task="go")

    assert sources(result) == ["user", "ben", "ben"]
    assert choices(result.log)[-1].rule == "fallback"


async def test_after_the_attempts_the_first_speaks_if_nobody_has() -> None:
    result = await crew(model("who?"), max_selector_attempts=1).run(task="go")

    assert sources(result) == ["user", "ana"]
    assert choices(result.log)[0].why == (
        "The model was asked once and named nobody who may speak: ana does, the first who may."
    )


async def test_invalid_answers_never_lead_to_a_forbidden_repeat() -> None:
    """AutoGen falls back to who spoke last, although that is not allowed, and says nothing."""
    client = ScriptedChatCompletionClient(["who?"], repeats=True, model_info=info())

    result = await crew(client, max_turns=4, max_selector_attempts=2).run(task="go")

    assert sources(result) == ["user", "ana", "ben", "cara", "ana"]
    assert result.log is not None
    notes = [event.body.text for event in result.log if isinstance(event.body, Noted)]
    assert notes[1] == (
        "The model was asked 2 times and named nobody who may speak: ben does, the next in order, "
        "for ana, who spoke last, may not go on."
    )


async def test_after_the_attempts_only_a_candidate_speaks() -> None:
    client = ScriptedChatCompletionClient(["who?"], repeats=True, model_info=info())
    team = crew(
        client,
        "ana",
        "ben",
        "cara",
        "dora",
        max_turns=2,
        max_selector_attempts=1,
        candidate_func=lambda said: ["dora", "cara"] if said[-1].source == "ana" else ["ana", "ben"],
    )

    assert sources(await team.run(task="go")) == ["user", "ana", "cara"]


@pytest.mark.parametrize("attempts", [0, -1])
def test_the_number_of_attempts_must_be_positive(attempts: int) -> None:
    with pytest.raises(ValueError, match=f"max_selector_attempts is {attempts}; it must be a whole number"):
        crew(model("ana"), max_selector_attempts=attempts)


# -- a model bound to the names ---------------------------------------------------------------------------------------


async def test_a_model_that_can_is_bound_to_the_candidates() -> None:
    client = model("ben", "cara", choices=True)

    result = await crew(client, max_turns=2).run(task="go")

    assert result.log is not None
    options = [event.body.options for event in result.log if isinstance(event.body, ModelStarted)]
    assert options == [{"choices": ["ana", "ben", "cara"]}, {"choices": ["ana", "cara"]}]


async def test_a_model_that_cannot_is_asked_in_words_alone() -> None:
    result = await crew(model("ben")).run(task="go")

    assert result.log is not None
    assert [event.body.options for event in result.log if isinstance(event.body, ModelStarted)] == [{}]


async def test_a_bound_answer_that_is_none_of_the_names_is_read_like_any_other() -> None:
    stray = ModelResponseInvalid("it was to choose one", partial="It is ben's turn")
    lost = ModelResponseInvalid("it was to choose one", partial="hm")
    client = model(stray, lost, "cara", choices=True)

    result = await crew(client, max_turns=2).run(task="go")

    assert sources(result) == ["user", "ben", "cara"]
    assert asked(client, 2)[1] == "hm"


async def test_a_server_that_refuses_to_bind_is_asked_in_words_from_then_on() -> None:
    client = model(ModelRequestRefused("no response_format here"), "ben", "cara", choices=True)

    result = await crew(client, max_turns=2).run(task="go")

    assert sources(result) == ["user", "ben", "cara"]
    assert result.log is not None
    options = [event.body.options for event in result.log if isinstance(event.body, ModelStarted)]
    assert options == [{"choices": ["ana", "ben", "cara"]}, {}, {}]


async def test_a_request_refused_for_another_reason_fails_the_run() -> None:
    client = model(ModelRequestRefused("too long"), ModelRequestRefused("too long"), choices=True)

    with pytest.raises(ModelRequestRefused, match="too long"):
        await crew(client).run(task="go")


async def test_a_server_gets_the_names_as_the_only_answers(openai_server: OpenAIServer) -> None:
    from agentnb.models.openai import OpenAIChatCompletionClient

    openai_server.say('{"answer": "ben"}')
    client = OpenAIChatCompletionClient(model="gpt-4o", base_url=openai_server.base_url, api_key="sk-test")
    team = SelectorGroupChat([Speaker("ana"), Speaker("ben")], client, max_turns=1)

    result = await team.run(task="go")
    await team.close()

    assert sources(result) == ["user", "ben"]
    body = openai_server.requests[-1].body
    assert body["response_format"]["json_schema"]["schema"]["properties"]["answer"]["enum"] == ["ana", "ben"]
    assert [message["role"] for message in body["messages"]] == ["system"]


# -- functions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_function_that_names_the_speaker_is_obeyed(asynchronous: bool) -> None:
    def other(said: Said) -> str | None:
        return "cara" if said[-1].source == "user" else "ana"

    async def later(said: Said) -> str | None:
        return other(said)

    client = model("ben")
    result = await crew(client, max_turns=3, selector_func=later if asynchronous else other).run(task="go")

    assert sources(result) == ["user", "cara", "ana", "ana"]
    assert client.asked == []


async def test_a_function_sees_messages_and_events_and_cannot_change_them() -> None:
    seen: list[list[str]] = []

    def spoil(said: Said) -> str:
        seen.append([type(item).__name__ for item in said])
        assert isinstance(said, list)
        said.clear()
        return "ana"

    ana = Speaker("ana", "a", says_before=[ThoughtEvent(content="hm", source="ana")])
    ben = Speaker("ben")
    result = await SelectorGroupChat([ana, ben], model("ben"), selector_func=spoil, max_turns=2).run(task="go")

    assert seen == [["TextMessage"], ["TextMessage", "ThoughtEvent", "TextMessage"]]
    assert sources(result) == ["user", "ana", "ana", "ana", "ana"]


async def test_a_function_that_names_nobody_leaves_it_to_the_model() -> None:
    client = model("ben")

    result = await crew(client, selector_func=lambda said: None).run(task="go")

    assert sources(result) == ["user", "ben"]


async def test_a_speaker_named_by_a_function_is_who_spoke_last() -> None:
    """AutoGen forgets such speakers, and lets the model have them speak twice in a row."""
    client = model("ana", "ben")
    team = crew(client, max_turns=2, selector_func=lambda said: "ana" if said[-1].source == "user" else None)

    result = await team.run(task="go")

    assert sources(result) == ["user", "ana", "ben"]
    assert asked(client, 1)[-1].startswith("ana has just spoken")


@pytest.mark.parametrize("named", ["xena", "", ["ana"], 5])
async def test_a_function_that_names_nobody_who_takes_part_is_an_error(named: Any) -> None:
    team = crew(model("ana"), selector_func=lambda said: named)

    with pytest.raises(
        ValueError, match=r"selector_func named .*, who takes no part here \(participants: 'ana', 'ben'"
    ):
        await team.run(task="go")


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_function_that_names_candidates_is_obeyed(asynchronous: bool) -> None:
    def both(said: Said) -> list[str]:
        return ["cara", "ben", "cara"]

    async def later(said: Said) -> list[str]:
        return both(said)

    client = model("ben")
    result = await crew(client, candidate_func=later if asynchronous else both).run(task="go")

    assert sources(result) == ["user", "ben"]
    assert "Choose from ['cara', 'ben']" in asked(client)[0]
    assert choices(result.log)[0].candidates == ("cara", "ben")


@pytest.mark.parametrize("given", [[], None, "ana"])
async def test_a_function_that_gives_no_candidates_is_an_error(given: Any) -> None:
    team = crew(model("ana"), candidate_func=lambda said: given)

    with pytest.raises(ValueError, match=r"candidate_func gave .*; it must give a list of at least one name of 'ana'"):
        await team.run(task="go")


async def test_a_function_that_gives_unknown_candidates_is_an_error() -> None:
    team = crew(model("ana"), candidate_func=lambda said: ["ana", "xena"])

    with pytest.raises(ValueError, match="candidate_func named 'xena', who takes no part here"):
        await team.run(task="go")


async def test_an_error_in_a_function_is_the_runs_and_the_next_run_works() -> None:
    fails = [True]

    def flaky(said: Said) -> str:
        if fails.pop() if fails else False:
            raise LookupError("no table")
        return "ben"

    team = crew(model("ana"), selector_func=flaky)
    with pytest.raises(LookupError, match="no table"):
        await team.run(task="go")

    assert sources(await team.run(task="again")) == ["user", "ben"]


async def test_a_single_candidate_speaks_without_asking_the_model() -> None:
    client = model("ana")

    result = await crew(client, "ana", "ben", max_turns=3).run(task="go")

    assert sources(result) == ["user", "ana", "ben", "ana"]
    assert len(client.asked) == 1


async def test_a_single_candidate_of_a_function_may_be_who_spoke_last() -> None:
    client = model("ana")

    result = await crew(client, max_turns=2, candidate_func=lambda said: ["cara"]).run(task="go")

    assert sources(result) == ["user", "cara", "cara"]
    assert client.asked == []


@pytest.mark.parametrize(
    ("client", "options", "says"),
    [
        ("gpt", {}, r"The model_client of SelectorGroupChat is 'gpt'; .*model_from_text\('openai:gpt-4o-mini'\)"),
        (model(), {"selector_func": "x"}, "The selector_func of SelectorGroupChat is 'x', which cannot be called"),
        (model(), {"candidate_func": 3}, "The candidate_func of SelectorGroupChat is 3, which cannot be called"),
        (model(), {"model_context": "x"}, "The model_context of SelectorGroupChat is 'x'"),
    ],
)
def test_an_argument_of_another_kind_is_refused_by_name(client: Any, options: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        crew(client, **options)


@pytest.mark.parametrize(("count", "says"), [(0, "no participants"), (1, "Give it two or more, or use a RoundRobin")])
def test_there_must_be_two_participants(count: int, says: str) -> None:
    people = [Speaker("ana")][:count]

    with pytest.raises(ValueError, match=says):
        SelectorGroupChat(people, model("ana"))


# -- why --------------------------------------------------------------------------------------------------------------


async def test_the_log_says_for_every_choice_which_rule_decided_and_why() -> None:
    def first(said: Said) -> str | None:
        return "cara" if said[-1].source == "user" else None

    def who(said: Said) -> list[str]:
        return ["ben"] if said[-1].source == "cara" else ["ana", "cara"]

    client = model("both of them", "it is ana's turn")
    result = await crew(client, max_turns=3, selector_func=first, candidate_func=who).run(task="go")

    by_function, alone, by_model = choices(result.log)
    assert by_function == SpeakerChosen(names=("cara",), rule="selector_func", why="selector_func named cara.")
    assert alone == SpeakerChosen(
        names=("ben",), rule="only candidate", why="candidate_func left nobody else.", candidates=("ben",)
    )
    assert by_model == SpeakerChosen(
        names=("ana",),
        rule="model",
        why="The model named ana, asked 2 times.",
        candidates=("ana", "cara"),
        answer="it is ana's turn",
        attempts=2,
        asked=by_model.asked,
    )


async def test_a_choice_without_alternative_says_who_is_barred() -> None:
    result = await crew(model("ana"), "ana", "ben", max_turns=2).run(task="go")

    assert choices(result.log)[1].why == "Nobody else may speak: ana spoke last."


async def test_the_prompts_of_a_choice_can_be_read_back_from_the_log() -> None:
    client = model("ana", "who?", "ben")

    result = await crew(client, max_turns=2).run(task="go")

    log = result.log
    assert log is not None
    first, second = choices(log)
    calls = [[log.events[seq - 1] for seq in choice.asked or ()] for choice in (first, second)]
    assert [shown(log, call) for choice in calls for call in choice] == client.asked
    assert len(calls[1]) == second.attempts == 2
    assert calls[1][0].source == "SelectorGroupChatManager"


async def test_the_tokens_of_the_choices_count() -> None:
    client = model("ana")

    result = await crew(client).run(task="go")

    assert result.log is not None
    usage = client.total_usage()
    sums = totals(result.log)
    assert (sums.prompt_tokens, sums.completion_tokens) == (usage.prompt_tokens, usage.completion_tokens)
    assert usage.completion_tokens == 1


async def test_the_run_names_the_model_that_chooses() -> None:
    agents = [AssistantAgent(name, ScriptedChatCompletionClient(["hi"], name="talker")) for name in ("ana", "ben")]
    chooser = ScriptedChatCompletionClient(["ana"], name="chooser")

    result = await SelectorGroupChat(agents, chooser, max_turns=1).run(task="go")

    assert result.log is not None
    (started,) = [event.body for event in result.log if isinstance(event.body, RunStarted)]
    assert started.model == "chooser, talker"


async def test_closing_the_team_closes_the_model_that_chooses() -> None:
    closed: list[str] = []

    class Closing(ScriptedChatCompletionClient):
        async def close(self) -> None:
            closed.append("model")

    await crew(Closing(["ana"])).close()

    assert closed == ["model"]


async def test_a_run_replayed_from_its_log_is_the_same_run() -> None:
    def team(client: Any) -> SelectorGroupChat:
        return SelectorGroupChat([AssistantAgent(name, client) for name in ("ana", "ben", "cara")], client, max_turns=2)

    client = model("who?", "ben", "Hello.", "ana", "Bye.", function_calling=True)
    recorded = await team(client).run(task="go")
    assert recorded.log is not None

    again = await team(ReplayChatCompletionClient.from_log(recorded.log)).run(task="go")

    assert texts(again) == texts(recorded) == ["go", "Hello.", "Bye."]
    assert [choice.answer for choice in choices(again.log)] == ["ben", "ana"]


# -- events -----------------------------------------------------------------------------------------------------------


async def _stream(**options: Any) -> list[Any]:
    team = crew(model("let me see", "ben", "cara"), max_turns=2, **options)
    return [item async for item in team.run_stream(task="go")]


def _kinds(items: Sequence[Any]) -> list[str]:
    return [type(item).__name__ for item in items]


async def test_streaming_and_team_events_show_pieces_answers_and_speakers_in_order() -> None:
    items = await _stream(emit_team_events=True, model_client_streaming=True)

    assert _kinds(items) == [
        "TextMessage",
        *["ModelClientStreamingChunkEvent"] * 3,
        "SelectorEvent",
        "ModelClientStreamingChunkEvent",
        "SelectorEvent",
        "SelectSpeakerEvent",
        "TextMessage",
        "ModelClientStreamingChunkEvent",
        "SelectorEvent",
        "SelectSpeakerEvent",
        "TextMessage",
        "TaskResult",
    ]
    assert isinstance(items[-1], TaskResult)
    pieces = [type(item) for item in items[-1].messages if not isinstance(item, TextMessage)]
    assert pieces == [SelectorEvent, SelectorEvent, SelectSpeakerEvent, SelectorEvent, SelectSpeakerEvent]


async def test_pieces_and_answers_come_from_the_manager_with_the_tokens_they_took() -> None:
    items = await _stream(emit_team_events=True, model_client_streaming=True)

    pieces = [item for item in items if isinstance(item, ModelClientStreamingChunkEvent)]
    answers = [item for item in items if isinstance(item, SelectorEvent)]
    assert {item.source for item in [*pieces, *answers]} == {"SelectorGroupChatManager"}
    assert [item.content for item in answers] == ["let me see", "ben", "cara"]
    assert "".join(piece.content for piece in pieces if piece.full_message_id == answers[0].id) == "let me see"
    assert [item.models_usage.completion_tokens for item in answers if item.models_usage] == [3, 1, 1]


async def test_team_events_without_streaming_are_the_speakers_alone() -> None:
    items = await _stream(emit_team_events=True)

    assert _kinds(items) == [
        "TextMessage",
        "SelectSpeakerEvent",
        "TextMessage",
        "SelectSpeakerEvent",
        "TextMessage",
        "TaskResult",
    ]


@pytest.mark.parametrize("streams", [False, True])
async def test_without_team_events_only_what_is_said_is_streamed(streams: bool) -> None:
    items = await _stream(model_client_streaming=streams)

    assert _kinds(items) == ["TextMessage", "TextMessage", "TextMessage", "TaskResult"]


async def test_a_stray_bound_answer_is_shown_too() -> None:
    client = model(ModelResponseInvalid("none", partial="ben, I think"), choices=True)

    items = [
        item async for item in crew(client, emit_team_events=True, model_client_streaming=True).run_stream(task="go")
    ]

    assert [(item.content, item.models_usage) for item in items if isinstance(item, SelectorEvent)] == [
        ("ben, I think", None)
    ]


async def test_what_the_manager_shows_is_no_part_of_the_conversation() -> None:
    seen: list[list[str]] = []
    client = model("ana", "ben")
    team = crew(
        client,
        max_turns=2,
        emit_team_events=True,
        model_client_streaming=True,
        selector_prompt="{history}",
        selector_func=lambda said: seen.append(_kinds(said)),
    )

    await team.run(task="go")

    assert seen == [["TextMessage"], ["TextMessage", "TextMessage"]]
    assert asked(client, 1) == ["user: go\n\nana: ana says"]


# -- the end of a run -------------------------------------------------------------------------------------------------


async def test_the_condition_sees_only_what_is_said() -> None:
    team = crew(
        model("ana", "ben", "cara"),
        max_turns=None,
        emit_team_events=True,
        termination_condition=MaxMessageTermination(3, include_agent_event=True),
    )

    assert [m.source for m in (await team.run(task="go")).messages if isinstance(m, TextMessage)] == [
        "user",
        "ana",
        "ben",
    ]


async def test_an_unreachable_model_fails_the_run_and_the_next_run_works() -> None:
    team = crew(model(ModelUnreachable("no route"), "ben"))
    with pytest.raises(ModelUnreachable, match="no route"):
        await team.run(task="go")

    assert sources(await team.run(task="again")) == ["user", "ben"]


@pytest.mark.parametrize("streams", [False, True])
async def test_a_token_cancelled_while_the_model_chooses_ends_the_run_at_once(streams: bool) -> None:
    client = ScriptedChatCompletionClient(["ben", "cara"], delay=3600, model_info=info())
    team = crew(client, model_client_streaming=streams)
    token, log = CancellationToken(), RunLog()
    log.watch(lambda item: token.cancel() if getattr(item, "kind", "") == "model.started" else None)

    with pytest.raises(asyncio.CancelledError):
        await team.run(task="go", cancellation_token=token, log=log)

    client._delay = 0
    assert sources(await team.run(task="again")) == ["user", "cara"]


async def test_who_was_stopped_in_mid_turn_has_not_spoken_and_may_be_chosen_again() -> None:
    gone = Speaker("ben", asyncio.CancelledError())  # type: ignore[arg-type]
    team = SelectorGroupChat([Speaker("ana"), gone, Speaker("cara")], model("ben", "ben"), max_turns=1)

    def raises(messages: Any) -> Any:
        raise asyncio.CancelledError

    gone.lines = (raises, "back")
    with pytest.raises(asyncio.CancelledError):
        await team.run(task="go")

    assert sources(await team.run()) == ["ben"]


# -- memory -----------------------------------------------------------------------------------------------------------


async def test_a_reset_forgets_who_spoke_and_what_was_said() -> None:
    client = model("ana", "ana")
    team = crew(client, selector_prompt="{history}")
    await team.run(task="go")
    await team.reset()

    assert sources(await team.run(task="anew")) == ["user", "ana"]
    assert asked(client, 1) == ["user: anew"]


async def test_a_reset_keeps_what_the_context_was_made_with() -> None:
    before: list[LLMMessage] = [UserMessage(content="Be fair.", source="host")]
    client = model("ana", "ana")
    team = crew(client, selector_prompt="{history}", model_context=UnboundedChatCompletionContext(before))
    await team.run(task="go")
    await team.reset()
    await team.run(task="anew")

    assert asked(client, 1) == ["host: Be fair.\n\nuser: anew"]


async def test_the_state_has_autogens_fields() -> None:
    team = crew(model("ben"))
    await team.run(task="go")

    manager = (await team.save_state())["agent_states"]["SelectorGroupChatManager"]

    assert (manager["type"], manager["previous_speaker"]) == ("SelectorManagerState", "ben")
    assert {"version", "message_thread", "current_turn"} <= set(manager)


@pytest.mark.parametrize("turns", [1, 2, 3, 4])
async def test_a_loaded_team_goes_on_as_the_saved_one_would_have(turns: int) -> None:
    answers = ["ana", "ben", "who?", "cara", "ben", "ana", "cara"]
    at = {1: 1, 2: 2, 3: 4, 4: 5}[turns]  # the third choice takes two answers
    whole, first, second = model(*answers), model(*answers), model(*answers[at:])
    expected = await crew(whole, max_turns=6).run(task="go")
    saved = crew(first, max_turns=turns)
    await saved.run(task="go")

    loaded = crew(second, max_turns=6 - turns)
    await loaded.load_state(json.loads(json.dumps(await saved.save_state())))

    assert texts(await loaded.run()) == texts(expected)[turns + 1 :]
    assert second.asked == whole.asked[at:]


async def test_a_team_that_has_spoken_takes_over_a_loaded_conversation_whole() -> None:
    client = model("ana", "cara")
    saved, team = crew(model("ben")), crew(client, selector_prompt="{history}")
    await saved.run(task="go")
    await team.run(task="something else")

    await team.load_state(await saved.save_state())
    await team.run()

    assert asked(client, 1) == ["user: go\n\nben: ben says"]


async def test_a_saved_speaker_that_is_no_name_is_refused() -> None:
    team = crew(model("ana"))
    state = json.loads(json.dumps(await team.save_state()))
    state["agent_states"]["SelectorGroupChatManager"]["previous_speaker"] = ["ana"]

    with pytest.raises(ValueError, match=r"'previous_speaker' is \['ana'\]; it must be a name, or None"):
        await team.load_state(state)


async def test_a_component_loaded_again_runs_the_same() -> None:
    def agent(name: str) -> AssistantAgent:
        client = ReplayChatCompletionClient([f"{name} says"], model_info=info(function_calling=True))
        return AssistantAgent(name, client, description=f"is {name}")

    team = SelectorGroupChat(
        [agent("ana"), agent("ben")],
        ReplayChatCompletionClient(["nobody", "ben"]),
        termination_condition=MaxMessageTermination(3),
        selector_prompt="{history} {participants}",
        max_selector_attempts=2,
        emit_team_events=True,
        model_client_streaming=True,
        model_context=BufferedChatCompletionContext(buffer_size=2),
    )
    written = json.loads(team.dump_component().model_dump_json())

    loaded = BaseGroupChat.load_component(written)

    assert isinstance(loaded, SelectorGroupChat)
    assert loaded.dump_component() == team.dump_component()
    first, second = await team.run(task="go"), await loaded.run(task="go")
    assert _kinds(second.messages) == _kinds(first.messages)
    assert texts(second) == texts(first)
    assert sources(second)[-1] == "ana"


async def test_json_that_autogen_wrote_is_loaded() -> None:
    def client(*answers: str) -> dict[str, Any]:
        return {
            "provider": "autogen_ext.models.replay.ReplayChatCompletionClient",
            "component_type": "replay_chat_completion_client",
            "version": 1,
            "component_version": 1,
            "config": {"chat_completions": list(answers)},
        }

    def agent(name: str) -> dict[str, Any]:
        config = {
            "name": name,
            "model_client": client(f"{name} says"),
            "description": f"is {name}",
            "reflect_on_tool_use": False,
            "tool_call_summary_format": "{result}",
        }
        return {"provider": "autogen_agentchat.agents.AssistantAgent", "version": 2, "config": config}

    team = BaseGroupChat.load_component(
        {
            "provider": "autogen_agentchat.teams.SelectorGroupChat",
            "component_type": "team",
            "version": 1,
            "component_version": 1,
            "config": {
                "name": "crew",
                "description": "A crew.",
                "participants": [agent("ana"), agent("ben")],
                "model_client": client("ben"),
                "termination_condition": None,
                "max_turns": 2,
                "selector_prompt": "{roles} {participants} {history}",
                "allow_repeated_speaker": False,
                "max_selector_attempts": 3,
                "emit_team_events": False,
                "model_client_streaming": False,
                "model_context": None,
            },
        }
    )

    assert sources(await team.run(task="go")) == ["user", "ben", "ana"]


def test_a_function_cannot_be_written_as_a_component() -> None:
    team = crew(model("ana"), selector_func=lambda said: "ana")

    with pytest.raises(UserError, match="cannot be written as JSON"):
        team.dump_component()


async def test_what_was_taken_back_from_the_conversation_is_not_shown_to_the_model() -> None:
    client = model("ana", "ben")
    selector = Selector(
        client,
        prompt="{history}",
        attempts=1,
        context=UnboundedChatCompletionContext(),
        streams=False,
        shows=False,
    )
    thread = [TextMessage(content=text, source="user") for text in ("go", "wrong")]
    view = TeamView(["ana", "ben"], thread, 0)
    await selector.choose(view, view.names, None)
    thread[1] = TextMessage(content="right", source="user")

    await selector.choose(view, view.names, None)

    assert asked(client, 1) == ["user: go\n\nuser: right"]


# -- teams in teams ---------------------------------------------------------------------------------------------------


async def test_a_team_may_be_chosen_like_an_agent() -> None:
    inner = RoundRobinGroupChat([Speaker("ana"), Speaker("ben")], name="writers", description="write", max_turns=2)
    client = model("writers", "cara")

    result = await SelectorGroupChat([inner, Speaker("cara")], client, max_turns=2).run(task="go")

    assert sources(result) == ["user", "ana", "ben", "cara"]
    assert "writers: write\ncara: cara speaks" in asked(client)[0]


async def test_a_selector_team_may_take_part_in_another_team() -> None:
    inner = crew(model("ben"), name="inner", emit_team_events=True, model_client_streaming=True)

    result = await RoundRobinGroupChat([inner, Speaker("dora")], max_turns=2).run(task="go")

    assert _kinds(result.messages) == [
        "TextMessage",
        "SelectorEvent",
        "SelectSpeakerEvent",
        "TextMessage",
        "TextMessage",
    ]
    assert sources(result)[-2:] == ["ben", "dora"]


# -- whatever a model answers -----------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.one_of(st.sampled_from(["ana", "ben", "cara", "ana ben", "", "c a r a"]), st.text(max_size=12)), min_size=1
    ),
    st.booleans(),
    st.booleans(),
    st.integers(1, 3),
    st.integers(1, 8),
)
def test_whatever_the_model_answers_somebody_who_may_speaks(
    answers: list[str], repeats: bool, streams: bool, attempts: int, turns: int
) -> None:
    client = ScriptedChatCompletionClient(answers, repeats=True, model_info=info())
    team = crew(
        client,
        max_turns=turns,
        allow_repeated_speaker=repeats,
        max_selector_attempts=attempts,
        model_client_streaming=streams,
    )

    result = asyncio.run(team.run(task="go"))

    speakers = sources(result)[1:]
    made = choices(result.log)
    assert [choice.names for choice in made] == [(name,) for name in speakers]
    assert repeats or all(one != other for one, other in pairwise(speakers))
    assert all(choice.names[0] in (choice.candidates or ()) and choice.why and choice.rule for choice in made)
    assert len(client.asked) == sum(choice.attempts or 0 for choice in made)
    assert len(client.asked) == sum(len(choice.asked or ()) for choice in made)
    assert client.total_usage() == RequestUsage(
        sum(len(str(m.content).split()) for request in client.asked for m in request),
        sum(len(answers[i % len(answers)].split()) for i in range(len(client.asked))),
    )


def test_each_model_of_a_team_is_named_once() -> None:
    def said(name: str) -> ScriptedChatCompletionClient:
        return ScriptedChatCompletionClient(["x"], name=name)

    members = [AssistantAgent("ana", said("small")), AssistantAgent("ben", said("large"))]

    assert SelectorGroupChat(members, said("small"))._run_model() == "large, small"
