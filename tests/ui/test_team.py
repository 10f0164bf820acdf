"""Pictures of who spoke after whom in a team, and of the way a run took through a graph."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from typing import Any

import nh3
import pytest

from agentnb.base import TaskResult
from agentnb.core import EventId
from agentnb.exceptions import UserError
from agentnb.messages import StopMessage, TextMessage, ThoughtEvent
from agentnb.runlog import Participant, RunLog, RunStarted, Said, SpeakerChosen, TurnFinished, TurnStarted
from agentnb.ui import show_team, team_bundle, team_svg
from agentnb.ui.strokes import LINE
from agentnb.ui.team import TAKEN, TeamPicture, team_picture
from tests.ui.test_graph import apart, cards, check_harmless, texts
from tests.ui.test_picture import Page, page

__all__ = ["page"]

Round = Mapping[str, str | None]
"""Who spoke, and what; None is a turn that failed."""


def ran(names: str, *rounds: Round, rule: str = "", log: RunLog | None = None, parent: EventId | None = None) -> RunLog:
    """Write a run of agents with one-letter names."""
    log = log if log is not None else RunLog()
    people = tuple(Participant(name=name) for name in names)
    run = log.append(RunStarted(runner="team", runner_type="T", participants=people), parent=parent)
    for number, round in enumerate(rounds, 1):
        log.append(SpeakerChosen(names=tuple(round), rule=rule or None), parent=run.id)
        begun = {
            name: log.append(TurnStarted(agent=name, turn=number), source=name, parent=run.id).id for name in round
        }
        for name, text in round.items():
            if text is not None:
                log.append(Said(message=TextMessage(content=text, source=name)), parent=begun[name])
            outcome: Any = "failed" if text is None else "done"
            log.append(TurnFinished(agent=name, turn=number, outcome=outcome), parent=begun[name])
    return log


def edge(way: str, condition: str = "", *, function: bool = False, activation: str = "all") -> dict[str, Any]:
    source, _, target = way.partition(">")
    return {
        "source": source,
        "target": target,
        "condition": condition,
        "function": function,
        "activation": activation,
    }


def ways(picture: TeamPicture) -> dict[str, str]:
    return {f"{link.source}>{link.target}": f"{link.took} {link.count}" for link in picture.links}


def below(picture: TeamPicture) -> dict[str, str]:
    return {node.type: node.below for node in picture.nodes if node.kind == "agent"}


def rows(log: RunLog | Sequence[RunLog]) -> list[str]:
    return [" ".join(row) for row in team_picture(log).rows()]


def test_each_speaker_follows_the_last_one_and_the_first_follows_the_task() -> None:
    log = ran("ab", {"a": "one"}, {"b": "two"}, {"a": "three"}, {"b": "four"}, rule="in turn")

    assert rows(log) == ["task a in turn ×1", "a b in turn ×2", "b a in turn ×1"]
    assert below(team_picture(log)) == {"a": "rounds 1, 3", "b": "rounds 2, 4"}


def test_who_goes_on_follows_itself() -> None:
    assert rows(ran("a", {"a": "one"}, {"a": "two"})) == ["task a  ×1", "a a  ×1"]


def test_those_who_speak_at_the_same_time_all_follow_the_last_one() -> None:
    log = ran("abc", {"a": "1", "b": "2"}, {"c": "3"})

    assert rows(log) == ["task a  ×1", "task b  ×1", "a c  ×1", "b c  ×1"]
    assert team_picture(log).title == "3 agents, 2 rounds, 3 turns"


def test_several_rules_on_one_way_are_all_named_and_those_that_stepped_in_stand_out() -> None:
    log = ran("ab", {"a": "1"}, {"b": "2"}, rule="model")
    ran("ab", {"a": "3"}, {"b": "4"}, rule="fallback", log=log)

    drawing = team_svg(log)

    assert "a b model, fallback ×2" in rows(log)
    assert re.search(r'font-weight="600">fallback<', drawing)
    assert not re.search(r'font-weight="600">model<', drawing)


def test_a_rule_that_names_many_edges_does_not_make_the_picture_wide() -> None:
    rule = "; ".join(f"{name} after a (approves of it)" for name in ("ben", "cy", "dora", "eve"))
    log = ran("ab", {"a": "1"}, {"b": "2"}, rule=rule)

    drawing = team_svg(log)

    assert f"a b {rule} ×1" in rows(log)
    assert re.search(r">ben after a \(approves of…<", drawing)
    assert float(re.findall(r'width="([0-9.]+)"', drawing)[0]) < 800


def test_rounds_are_counted_on_from_log_to_log_and_each_run_begins_with_its_task() -> None:
    picture = team_picture([ran("ab", {"a": "1"}, {"b": "2"}), ran("ab", {"a": "3"})])

    assert below(picture)["a"] == "rounds 1, 3"
    assert ways(picture) == {">a": "yes 2", "a>b": "yes 1"}
    assert picture.title == "2 agents, 3 rounds in 2 runs"


def test_a_long_run_names_the_first_rounds_only() -> None:
    picture = team_picture(ran("a", *({"a": "again"} for _ in range(40))))

    assert below(picture)["a"] == "rounds 1, 2, 3, 4, 5, 6 … (40)"


def test_a_team_within_the_team_is_one_participant() -> None:
    log = ran("ab", {"a": "1"})
    turn = next(event for event in log if isinstance(event.body, TurnStarted))
    ran("xy", {"x": "in"}, {"y": "in"}, log=log, parent=turn.id)

    assert below(team_picture(log)) == {"a": "round 1", "b": "did not speak"}


def test_an_edge_is_taken_when_the_answer_holds_its_text() -> None:
    edges = [edge("a>b", "GO"), edge("a>c", "STAY"), edge("b>c")]
    picture = team_picture(ran("abc", {"a": "now GO"}, {"b": "there"}, {"c": "end"}), edges=edges)

    assert ways(picture) == {"a>b": "yes 1", "a>c": "no 0", "b>c": "yes 1"}
    assert [row[2] for row in picture.rows()] == ["“GO”", "“STAY”", ""]


def test_a_loop_counts_how_often_its_edges_were_taken() -> None:
    edges = [edge("a>b"), edge("b>a", "NO"), edge("b>c", "YES")]
    rounds: list[Round] = [{"a": "1"}, {"b": "NO"}, {"a": "2"}, {"b": "NO"}, {"a": "3"}, {"b": "YES"}, {"c": "."}]

    picture = team_picture(ran("abc", *rounds), edges=edges)

    assert ways(picture) == {"a>b": "yes 3", "b>a": "yes 2", "b>c": "yes 1"}
    assert below(picture) == {"a": "rounds 1, 3, 5", "b": "rounds 2, 4, 6", "c": "round 7"}


def test_what_a_function_decided_is_seen_from_who_ran_next() -> None:
    edges = [edge("a>b", "mod.is_long", function=True), edge("a>c", "f.<locals>.<lambda>", function=True)]
    picture = team_picture(ran("abc", {"a": "is_long"}, {"b": "."}), edges=edges)

    assert ways(picture) == {"a>b": "yes 1", "a>c": "no 0"}
    assert [row[2] for row in picture.rows()] == ["is_long()", "a function"]
    assert picture.remark == ""


def test_a_function_whose_answer_the_log_cannot_tell_is_marked_with_doubt() -> None:
    edges = [edge("a>c", "f", function=True, activation="any"), edge("b>c", activation="any")]
    picture = team_picture(ran("abc", {"a": "1", "b": "2"}, {"c": "3"}), edges=edges)

    assert ways(picture) == {"a>c": "perhaps 1", "b>c": "yes 1"}
    assert picture.rows()[0][3] == "perhaps taken"
    assert "a function decides" in picture.remark
    assert "?" in texts(team_svg(ran("abc", {"a": "1", "b": "2"}, {"c": "3"}), edges=edges))


def test_a_function_that_said_no_before_its_source_spoke_again_is_not_taken_for_the_first_time() -> None:
    edges = [edge("a>b", "more", function=True), edge("b>a"), edge("a>c", "enough", function=True)]
    picture = team_picture(ran("abc", {"a": "1"}, {"b": "2"}, {"a": "3"}, {"c": "4"}), edges=edges)

    assert ways(picture) == {"a>b": "yes 1", "b>a": "yes 1", "a>c": "yes 1"}


def test_what_a_function_said_at_the_very_end_is_not_known() -> None:
    picture = team_picture(ran("ab", {"a": "1"}), edges=[edge("a>b", "f", function=True)])

    assert ways(picture) == {"a>b": "perhaps 1"}


def test_who_begins_the_next_run_was_not_led_to_by_a_function() -> None:
    edges = [edge("a>b"), edge("b>a", "again", function=True), edge("b>c", "enough", function=True)]
    logs = [ran("abc", {"a": "1"}, {"b": "2"}), ran("abc", {"a": "3"}, rule="start")]

    assert ways(team_picture(logs, edges=edges)) == {"a>b": "yes 2", "b>a": "no 0", "b>c": "no 0"}


def test_in_a_round_that_failed_nobody_leads_on() -> None:
    picture = team_picture(ran("abc", {"a": "1", "b": None}, {"a": "2", "b": "3"}), edges=[edge("a>c"), edge("b>c")])

    assert ways(picture) == {"a>c": "yes 1", "b>c": "yes 1"}


def test_a_turn_that_failed_takes_no_edge_and_is_marked() -> None:
    picture = team_picture(ran("ab", {"a": None}), edges=[edge("a>b")])

    assert ways(picture) == {"a>b": "no 0"}
    assert picture.nodes[0].signs == ("broken off in 1 round",)
    assert "! broken off in 1 round" in texts(team_svg(ran("ab", {"a": None}), edges=[edge("a>b")]))


def test_the_condition_is_asked_of_the_message_that_was_said_last_in_the_turn() -> None:
    edges = [edge("a>b", "GO"), edge("a>c")]
    log = RunLog()
    run = log.append(RunStarted(runner="team", runner_type="T"))
    for number, name in enumerate("aa", 1):
        log.append(SpeakerChosen(names=(name,)), parent=run.id)
        turn = log.append(TurnStarted(agent=name, turn=number), parent=run.id)
        log.append(Said(message=TextMessage(content="GO", source=name)), parent=turn.id)
        last = TextMessage(content="no", source=name) if number == 1 else ThoughtEvent(content="GO?", source=name)
        log.append(Said(message=last), parent=turn.id)
        log.append(TurnFinished(agent=name, turn=number), parent=turn.id)

    assert ways(team_picture(log, edges=edges)) == {"a>b": "no 0", "a>c": "yes 2"}


def test_sources_stand_before_their_targets_and_a_cycle_begins_where_it_is_entered() -> None:
    edges = [edge("d>c"), edge("c>b"), edge("b>c", "NO"), edge("b>a", "YES")]
    picture = team_picture(ran("abcd"), edges=edges)

    assert [node.type for node in picture.nodes] == ["d", "c", "b", "a"]


def test_how_a_node_waits_is_told_where_several_edges_lead_to_it() -> None:
    edges = [edge("a>c"), edge("b>c"), edge("a>d", activation="any"), edge("b>d", activation="any"), edge("c>e")]

    assert below(team_picture(ran("abcde"), edges=edges)) == {
        "a": "did not speak",
        "b": "did not speak",
        "c": "did not speak · waits for all",
        "d": "did not speak · waits for any",
        "e": "did not speak",
    }


def test_taken_edges_are_strong_and_the_others_dashed_and_a_legend_says_so() -> None:
    edges = [edge("a>b", "GO"), edge("a>c", "STAY")]
    drawing = team_svg(ran("abc", {"a": "GO"}, {"b": "."}), edges=edges)

    assert drawing.count(f'stroke="{TAKEN}"') == 2  # the edge, and in the legend
    assert drawing.count('stroke-dasharray="2 4"') == 2
    assert {"taken", "not taken", "“GO”", "“STAY”"} <= set(texts(drawing))


def test_who_did_not_speak_is_grey() -> None:
    drawing = team_svg(ran("ab", {"a": "1"}), edges=[edge("a>b", "GO")])

    assert [f'stroke="{LINE}" stroke-width="1.4"' in group for group in drawing.split("<g>")[1:]] == [False, True]


def test_no_card_covers_another() -> None:
    edges = [edge("a>b"), edge("a>c"), edge("b>d"), edge("c>d"), edge("d>a", "AGAIN"), edge("d>e", "DONE")]
    boxes = cards(team_svg(ran("abcde", {"a": "1"}), edges=edges))

    assert len(boxes) == 5
    assert all(apart(one, other) for number, one in enumerate(boxes) for other in boxes[:number])


@pytest.mark.parametrize("edged", [False, True])
def test_nothing_in_a_name_or_a_condition_can_act(edged: bool) -> None:
    name = "<script>alert(1)</script>\"'&]]>\x00\x1b[31m\ud83d\ufffe" + "W" * 500
    log = RunLog()
    run = log.append(RunStarted(runner=name, runner_type="T", participants=(Participant(name=name),)))
    log.append(SpeakerChosen(names=(name,), rule=name), parent=run.id)
    edges = [{"source": name, "target": name + "2", "condition": name}] if edged else None

    made = team_bundle(log, edges=edges)

    check_harmless(made["image/svg+xml"])
    assert "<script" not in made["text/html"]
    assert "\x1b" not in made["text/plain"]


def test_a_picture_comes_as_a_page_a_drawing_and_a_text_and_survives_the_sanitiser() -> None:
    made = team_bundle(ran("ab", {"a": "1"}, {"b": "2"}, rule="in turn"))
    kept = nh3.clean(
        made["text/html"], tags={"img", "details", "summary"}, url_schemes={"data"}, attributes={"img": {"src"}}
    )
    found = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', kept)

    assert found is not None
    assert base64.b64decode(found[1]).decode() == made["image/svg+xml"]
    assert (
        ET.fromstring(made["image/svg+xml"])[1].text
        == "a: round 1. b: round 2. task → a (in turn) ×1. a → b (in turn) ×1"
    )
    assert made["text/plain"].splitlines() == [
        "2 agents, 2 rounds",
        "a: round 1",
        "b: round 2",
        "from  to  on",
        "task  a   in turn  ×1",
        "a     b   in turn  ×1",
    ]


def test_a_log_without_a_team_gives_an_empty_picture() -> None:
    assert team_bundle(RunLog())["text/plain"] == "0 agents, 0 rounds"


def test_a_result_is_taken_for_its_log() -> None:
    log = ran("a", {"a": "1"})
    result = TaskResult.model_construct(messages=[], stop_reason=None, log=log)

    assert team_picture(result) == team_picture(log) == team_picture([result])


@pytest.mark.parametrize("wrong", [None, 3, "run.jsonl", [StopMessage(content="x", source="a")]])
def test_what_has_no_log_is_refused_by_its_class(wrong: Any) -> None:
    kind = type(wrong[0] if isinstance(wrong, list) else wrong).__name__
    said = "'run.jsonl' is no file" if isinstance(wrong, str) else f"show_team needs the log of a run, not {kind}"

    with pytest.raises(UserError, match=f"{said}.* Give a RunLog"):
        show_team(wrong)


@pytest.mark.parametrize("wrong", [("a", "b"), {"source": "a"}, {"target": "b"}, {"source": "a", "target": 3}])
def test_an_edge_without_source_or_target_is_refused(wrong: Any) -> None:
    with pytest.raises(UserError, match=r"has no '(source|target)'; give the edges as DiGraph.edges\(\) does"):
        team_picture(RunLog(), edges=[wrong])


def test_in_a_notebook_it_is_shown_once(page: Page) -> None:
    show_team(ran("a", {"a": "1"}))

    assert len(page.sent) == 1
    assert set(page.sent[0]["data"]) == {"text/html", "image/svg+xml", "text/plain"}


def test_without_a_notebook_it_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    show_team(ran("a", {"a": "1"}))

    assert capsys.readouterr().out.startswith("1 agent, 1 round\na: round 1\n")
