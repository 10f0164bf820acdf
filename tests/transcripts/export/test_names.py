"""Names are replaced everywhere in the same way; code is left alone, and said so."""

from __future__ import annotations

import pytest

from agentnb.exceptions import UserError
from agentnb.messages import CodeBlock, HandoffMessage, TextMessage
from agentnb.runlog import (
    CodeFinished,
    CodeStarted,
    Event,
    Participant,
    RunLog,
    RunStarted,
    Said,
    SpeakerChosen,
    ToolStarted,
    TurnStarted,
)
from agentnb.transcripts.export import people, rename, tell
from agentnb.transcripts.export.entries import Chosen, CodeRun, Speech, ToolUse


def _log(text: str = "Ana, ask Ben's team; banana ana_2 ANA") -> RunLog:
    log = RunLog()
    both = (Participant(name="ana", description="Ana's helper"), Participant(name="ben"))
    run = log.append(RunStarted(runner="lab", runner_type="Team", participants=both), source="lab").id
    log.append(SpeakerChosen(names=("ana",), why="ben named ana"), source="lab", parent=run)
    turn = log.append(TurnStarted(agent="ana", turn=1), source="lab/ana", parent=run).id
    log.append(Said(message=TextMessage(content=text, source="ana")), source="lab/ana", parent=turn)
    return log


def _texts(events: list[Event]) -> str:
    return "\n".join(event.model_dump_json() for event in events)


def test_a_name_is_replaced_in_sources_choices_and_texts_as_a_whole_word_in_any_case() -> None:
    story = tell(rename(_log(), {"ana": "Speaker 1", "ben": "B."}))

    chosen, speech = story.entries
    assert isinstance(chosen, Chosen)
    assert (chosen.names, chosen.why) == (("Speaker 1",), "B. named Speaker 1")
    assert isinstance(speech, Speech)
    assert speech.source == "Speaker 1"
    assert speech.text == "Speaker 1, ask B.'s team; banana Speaker 1_2 Speaker 1"
    assert story.episodes[0].participants[0] == ("Speaker 1", "", "Speaker 1's helper")
    assert story.episodes[0].parts[-1].agent == "Speaker 1"


def test_remove_numbers_everybody_in_the_order_of_appearance_and_teams_too() -> None:
    events = rename(_log(), "remove")

    assert people(events) == ["Speaker 1", "Speaker 2"]
    assert tell(events).episodes[0].runner == "Team 1"
    assert "ana" not in _texts(events).replace("banana", "").lower()


def test_a_name_goes_from_what_a_tool_was_given_whatever_that_is_called() -> None:
    log = _log()
    given = {"role": "ask ana", "state": {"Ana": 1, "id": "ben"}, "type": ["ANA"]}
    log.append(ToolStarted(tool="put", arguments=given), source="ana")
    log.append(CodeFinished(executor="X", outputs=({"application/json": {"ana": {"model": "Ben's"}}},)))

    told = _texts(rename(log, "remove")).replace("banana", "").lower()

    assert "ana" not in told
    assert "ben" not in told


def test_a_name_within_a_tool_s_name_or_a_hand_over_goes_too() -> None:
    log = _log()
    log.append(ToolStarted(tool="transfer_to_ben", arguments={"to": "ben"}), source="ana")
    log.append(Said(message=HandoffMessage(content="yours", source="ana", target="ben")), source="ana")

    tool, handoff = list(tell(rename(log, "remove")).entries)[-2:]

    assert isinstance(tool, ToolUse)
    assert tool.tool == "transfer_to_Speaker 2"
    assert isinstance(handoff, Speech)
    assert handoff.label == "hands over to Speaker 2"


def test_a_longer_name_wins_over_a_shorter_one_within_it() -> None:
    events = rename(_log("Ana  Chen met Ana and ben."), {"Ana": "A", "Ana Chen": "AC", "Ben": "B"})

    assert list(tell(events).entries)[-1].text == "AC met A and B."  # type: ignore[attr-defined]


def test_what_stands_for_a_name_is_not_replaced_again() -> None:
    events = rename(_log("ana and ben"), {"ana": "ben", "ben": "ana"})

    assert list(tell(events).entries)[-1].text == "ben and ana"  # type: ignore[attr-defined]


def test_mail_addresses_and_home_folders_lose_their_names() -> None:
    text = "Write to ana.chen@uni.example.org, see /home/achen/data.csv and C:\\Users\\achen\\x and /Users/achen."

    events = rename(_log(text), {"ana": "A", "ben": "B"})

    said = list(tell(events).entries)[-1].text  # type: ignore[attr-defined]
    assert said == "Write to [e-mail removed], see /home/user/data.csv and C:\\Users\\user\\x and /Users/user"


def test_code_stays_as_it_ran_and_a_warning_says_where_it_names_somebody() -> None:
    fenced = "Look:\n\n```python\nana = 1\n```\n\nThat was ana."
    log = _log(fenced)
    started = CodeStarted(executor="k", blocks=(CodeBlock(code="ana = 1\n", language="python"),))
    code = log.append(started, source="k")
    log.append(CodeFinished(executor="k", exit_code=0, output="ana is 1"), source="k", parent=code.id)

    with pytest.warns(UserWarning, match=r"still names somebody: 'ana' in facts 4, 5"):
        events = rename(log, {"ana": "A", "ben": "B"})

    speech, run = list(tell(events).entries)[-2:]
    assert isinstance(speech, Speech)
    assert speech.text == "Look:\n\n```python\nana = 1\n```\n\nThat was A."
    assert isinstance(run, CodeRun)
    assert (run.blocks[0].code, run.output) == ("ana = 1\n", "A is 1")


def test_in_a_page_s_markup_only_text_and_attributes_change() -> None:
    log = _log()
    code = log.append(CodeStarted(executor="k", blocks=()), source="k")
    page = '<table class="dataframe"><td title="ana">ana</td></table>'
    log.append(CodeFinished(executor="k", exit_code=0, outputs=({"text/html": page},)), parent=code.id)

    events = rename(log, {"ana": "A", "ben": "table"})

    shown = list(tell(events).entries)[-1].outputs[0]["text/html"]  # type: ignore[attr-defined]
    assert shown == '<table class="dataframe"><td title="A">A</td></table>'


def test_a_name_that_occurs_nowhere_is_told_with_those_who_took_part() -> None:
    with pytest.warns(UserWarning, match=r"called 'anna'; those who took part are ana, ben\."):
        rename(_log(), {"anna": "A"})


@pytest.mark.parametrize("names", ["hide", {"": "A"}, {"ana": ""}, ["ana"]])
def test_names_that_are_no_names_are_refused(names: object) -> None:
    with pytest.raises(UserError, match="names="):
        rename(_log(), names)  # type: ignore[arg-type]
