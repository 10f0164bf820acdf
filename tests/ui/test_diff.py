"""Two runs side by side in a cell."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

import agentnb
from agentnb.exceptions import UserError
from agentnb.messages import TextMessage
from agentnb.runlog import RunLog, Said, TurnStarted, Usage
from agentnb.transcripts import RunDiff, diff
from agentnb.ui import diff_bundle, register, unregister
from agentnb.ui.diff import KEPT, ROWS, TEXT, diff_html, diff_text, pieces
from tests.transcripts.talks import Turn, begin, end, take, talk

TAGS = {
    "div",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "span",
    "del",
    "ins",
    "pre",
    "ul",
    "li",
    "details",
    "summary",
}


class Reader(HTMLParser):
    """Collects what is marked, the text, and every tag and attribute."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.marks: dict[str, list[str]] = {"del": [], "ins": [], "summary": [], "td": [], "th": []}
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self._open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._open.append(tag)
        if tag in self.marks:
            self.marks[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self._open) & set(self.marks):
            self.marks[tag][-1] += data


def read(made: RunDiff) -> Reader:
    return Reader(diff_html(made))


def test_changed_words_are_struck_out_on_the_left_and_underlined_on_the_right() -> None:
    made = diff(talk(("ana", "the mass is 5 g")), talk(("ana", "the mass is 7 g")))
    html = diff_html(made)

    marks = Reader(html).marks

    assert (marks["del"], marks["ins"]) == (["5"], ["7"])
    assert "text-decoration:line-through" in html
    assert "text-decoration:underline" in html
    assert "changed, 80% alike" in marks["td"][-1]


def test_a_changed_call_shows_what_it_was_given_and_what_it_gave() -> None:
    left = talk(Turn("ana", "done", tool=("mean", {"of": "Gentoo"}, "5076 g"), code=("a = 1\nb = 2\n", "1\n")))
    right = talk(Turn("ana", "done", tool=("mean", {"of": "Adelie"}, "3700 g"), code=("a = 1\nb = 3\n", "1\n")))

    marks = read(diff(left, right)).marks

    assert marks["del"] == ["Gentoo", "5076", "b = 2"]
    assert marks["ins"] == ["Adelie", "3700", "b = 3"]
    assert "calls mean" in marks["td"][-1]
    assert "runs code Kernel" in marks["td"][-1]


def test_what_only_one_of_two_turns_did_is_named_so() -> None:
    made = diff(talk(Turn("ana", "x", tool=("mean", {}, "3"))), talk(("ana", "x")))

    left, right = read(made).marks["td"][-2:]

    assert "calls mean · only left" in left
    assert "mean" not in right


def test_what_only_one_run_has_stands_alone_and_is_named_so() -> None:
    left, right = read(diff(talk(("ana", "x")), talk(("ana", "x"), ("ben", "y")))).marks["td"][-2:]

    assert left == "— nothing here —"
    assert "only right" in right


def test_other_speakers_stand_side_by_side_with_why_they_were_chosen() -> None:
    made = diff(
        talk(Turn("ana", "x", why="she knows")),
        talk(Turn("ben", "y", why="he is free")),
    )

    left, right = read(made).marks["td"][-2:]

    assert "chosen: ana (model): she knows" in left
    assert "chosen: ben (model): he is free" in right
    assert ("only left" in left, "only right" in right) == (True, True)


def test_the_same_reason_is_not_repeated() -> None:
    made = diff(talk(Turn("ana", "x", why="she knows")), talk(Turn("ana", "y", why="she knows")))

    assert "chosen" not in diff_html(made)
    assert "chosen" not in diff_text(made)


def test_what_is_the_same_is_folded_and_counted() -> None:
    origin = talk(("ana", "one"), ("ben", "two"), ("ana", "three"))
    branch = origin.branch(message=3)
    run = branch.events[0].id
    take(branch, run, Turn("ana", "four"), 3)
    end(branch, run, 3)
    made = diff(origin, branch)

    (summary,) = read(made).marks["summary"]

    assert (
        summary == f"= 1 message and 2 turns are the same: the first {made.shared_facts} facts are shared by branching"
    )
    assert summary in diff_text(made)


def test_what_is_shared_is_told_apart_from_what_was_said_again() -> None:
    origin = talk(("ana", "one"), ("ben", "two"))
    branch = origin.branch(message=1)
    run = branch.events[0].id
    take(branch, run, Turn("ana", "one"), 1)
    end(branch, run, 1)

    shared, again = read(diff(origin, branch)).marks["summary"]

    assert "1 message is the same: the first 2 facts are shared by branching" in shared
    assert again == "= 1 turn is the same"


def test_totals_and_remarks_come_first() -> None:
    spent = Usage(prompt_tokens=1200, completion_tokens=30, cost_usd=0.5)
    made = diff(talk(Turn("ana", "x", usage=spent)), talk(("ana", "x"), task="stop"))

    html, text = diff_html(made), diff_text(made)

    for told in ("done: enough", "1,200", "0.5000", "not known", "The tasks differ."):
        assert told in html
        assert told in text
    assert html.index("The tasks differ.") < html.index("left: writers")


def test_a_turn_tells_its_tokens_money_time_and_how_it_broke_off() -> None:
    spent = Usage(prompt_tokens=1200, completion_tokens=30, cost_usd=0.5)
    log, run = begin()
    take(log, run, Turn("ana", "x", usage=spent, outcome="failed"), 1)
    log.append(TurnStarted(agent="ben", turn=2), source="ben", parent=run)

    cells = read(diff(log, talk(("ana", "y")))).marks["td"]

    assert any("1,200 tokens read · 30 written · 0.5000 USD · 1.5 s · failed" in cell for cell in cells)
    assert any("not finished" in cell for cell in cells)


def test_nothing_that_was_said_can_act_and_nothing_is_loaded() -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    made = diff(
        talk(Turn("ana", evil, tool=(evil, {evil: evil}, evil), why=evil), task=evil, runner=evil),
        talk(Turn("ana", evil + "more", why=evil + "!"), task=evil),
    )

    reader = read(made)

    assert reader.tags <= TAGS
    assert reader.attributes <= {"style", "scope", "colspan", "class", "dir"}
    assert "\x1b" not in diff_text(diff(talk(("ana", "\x1b[31mred")), talk(("ana", "blue"))))


def test_every_table_has_heads_and_nothing_is_said_by_colour_alone() -> None:
    html = diff_html(diff(talk(("ana", "x")), talk(("ana", "y"))))

    assert html.count('scope="col"') == 6
    assert 'scope="row"' in html
    assert "<del" in html
    assert "<ins" in html


def test_long_texts_that_are_the_same_are_left_out_but_for_what_is_near_a_change() -> None:
    same = "word " * 400
    shown = pieces(f"{same}old {same}", f"{same}new {same}", 0)

    assert [piece.text for piece in shown if piece.changed] == ["old"]
    assert sum(len(piece.text) for piece in shown) < 4 * KEPT
    assert sum("characters the same" in piece.text for piece in shown) == 2


def test_a_text_is_shown_up_to_a_limit() -> None:
    shown = pieces(" ".join(map(str, range(20_000))), "x", 0)

    assert sum(len(piece.text) for piece in shown) < TEXT + 100


def test_of_very_many_changes_the_first_are_shown() -> None:
    left, right = (talk(*[("ana", f"{word} {number}") for number in range(ROWS + 30)]) for word in ("red", "blue"))

    html = diff_html(diff(left, right))

    assert "30 more rows that differ are not shown here; to_df() has them." in html


def test_runs_that_are_the_same_and_runs_without_words_say_so() -> None:
    assert "The runs are the same, step by step." in diff_html(diff(talk(("ana", "x")), talk(("ana", "x"))))
    assert "Nothing was said in either run." in diff_text(diff(RunLog(), RunLog()))


def test_plain_text_marks_words_with_brackets() -> None:
    text = diff_text(diff(talk(("ana", "the mass is 5 g"), ("ben", "ok")), talk(("ana", "the mass is 7 g"))))

    assert "~ ana, turn 1 (changed, 80% alike)" in text
    assert "  < the mass is [-5-] g" in text
    assert "  > the mass is {+7+} g" in text
    assert "< ben, turn 2 (only left)" in text


def test_a_comparison_draws_itself_with_the_extension_and_without(shell: InteractiveShell) -> None:
    logs = talk(("ana", "x")), talk(("ana", "y"))
    drawn = agentnb.diff(*logs)
    formatter: Any = shell.display_formatter

    without = formatter.format(drawn)[0]
    register(shell)
    try:
        with_it = formatter.format(diff(*logs))[0]
    finally:
        unregister(shell)

    assert without == with_it == diff_bundle(drawn)
    assert set(without) == {"text/html", "text/markdown", "text/plain"}
    assert isinstance(drawn, RunDiff)
    assert str(drawn) == diff_text(drawn)
    assert len(drawn.to_df()) == 2


def test_what_is_no_run_is_refused_there_too() -> None:
    with pytest.raises(UserError, match="The left side of diff"):
        agentnb.diff(None, RunLog())


def test_a_message_said_by_a_manager_is_a_row_of_its_own(tmp_path: Path) -> None:
    logs: list[Any] = []
    for plan in ("look first", "think first"):
        log, run = begin()
        log.append(Said(message=TextMessage(content=plan, source="manager")), parent=run)
        take(log, run, Turn("ana", "x"), 1)
        logs.append(end(log, run, 1))

    assert read(diff(*logs)).marks["del"] == ["look"]
