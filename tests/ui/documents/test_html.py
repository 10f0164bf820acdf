"""The page needs nothing, shows everything, and nothing in it can act."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from agentnb.messages import TextMessage
from agentnb.runlog import Branched, ErrorRaised, Retracted, RunLog, RunStarted, Said, VerdictGiven
from agentnb.transcripts.export import tell
from agentnb.ui.documents.html import MANY, html_document
from agentnb.ui.documents.markdown import markdown_document
from tests.ui.documents.runs import Told
from tests.ui.sample import PIXEL, sample_log

_VOID = {"meta", "img", "br", "hr", "col"}


class _Outline(HTMLParser):
    """Reads a page: tags with attributes, headings, and whether everything is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.crossed: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.crossed.append(tag)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def _page(log: RunLog) -> str:
    return html_document(tell(log, log_id=log.id))


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    page = _page(sample_log())
    outline = _Outline(page)

    assert outline.all("script") == outline.all("link") == outline.all("iframe") == []
    assert all((image["src"] or "").startswith("data:image/") for image in outline.all("img"))
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page


def test_the_page_is_well_formed_with_landmarks_a_language_and_one_first_heading() -> None:
    outline = _Outline(_page(sample_log()))

    assert (outline.open, outline.crossed) == ([], [])
    assert [len(outline.all(tag)) for tag in ("header", "nav", "main", "footer", "h1", "title")] == [1] * 6
    assert outline.all("html") == [{"lang": "en"}]
    ids = [attrs["id"] for _, attrs in outline.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = {(link["href"] or "")[1:] for link in outline.all("a")}
    assert targets <= set(ids)


def test_headings_go_down_one_level_at_a_time_even_where_a_message_has_its_own() -> None:
    log = Told("ana").task("Go.").turn("ana").says("# Large\n\ntext\n\n## Smaller").over()

    levels = [int(tag[1]) for tag, _ in _Outline(_page(log)).tags if len(tag) == 2 and tag[0] == "h" and tag != "hr"]

    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_hostile_text_stays_text_everywhere() -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'>"
    told = Told(evil, runner=evil).task(evil).turn(evil, why=evil).says(evil).asked(evil, evil)
    told.runs(evil, output=evil, outputs=({"text/html": f"<p onclick=x>{evil}</p>", "text/plain": evil},))
    told.log.append(ErrorRaised(type=evil, message=evil, traceback=evil), source=evil, parent=told.where)
    told.log.append(VerdictGiven(by=evil, check=evil, act=evil, agent=evil, text=evil, allowed=False, reason=evil))
    outline = _Outline(_page(told.over(reason=evil)))

    assert outline.all("script") == outline.all("img") == []
    assert not [attrs for _, attrs in outline.tags if any(name.startswith("on") for name in attrs)]
    assert (outline.open, outline.crossed) == ([], [])


def test_the_head_tells_task_team_model_outcome_tokens_and_time() -> None:
    page = _page(sample_log())

    facts = [
        "<h1>Describe the penguins",
        "analysts (RoundRobinGroupChat)",
        "coder (AssistantAgent)",
        "gpt-4o-mini",
        "Failed</span>: ModelTimeout",
        "312 (280 read, 32 written)",
        "<dd>not known</dd>",
        "9.0 s",
    ]
    for told in facts:
        assert told in page


def test_figures_tables_questions_and_errors_are_in_it() -> None:
    page = _page(sample_log())

    assert f'src="data:image/png;base64,{PIXEL}" alt="Figure 1, drawn by code of kernel"' in page
    assert "5076.02</td>" in page
    assert '<span class="label">Asked:</span> Good enough? (yes, no)' in page
    assert page.count(">yes</div>") == 1
    assert "✗ ModelTimeout" in page
    assert "NameError: name &#x27;x&#x27; is not defined" in page


def test_a_figure_is_described_by_the_words_its_code_gives_it() -> None:
    code = 'ax.set_title("Mass by species")\nax.set(xlabel="species", ylabel=f"mass {unit}")'
    log = Told("k").task("Draw.").turn("k").runs(code, outputs=({"image/png": PIXEL},)).over()

    assert 'alt="Figure 1, drawn by code of k: title “Mass by species”; x axis “species”"' in _page(log)


def test_a_choice_says_why_and_a_verdict_who_refused_what() -> None:
    told = Told("ana").task("Go.").turn("ana", why="ana knows the data").says("hi")
    verdict = VerdictGiven(
        by="keeper", check="no deletion", act="code", agent="ana", allowed=False, reason="it deletes"
    )
    told.log.append(verdict, source="keeper", parent=told.where)

    page = _page(told.over())

    assert "Next speaks ana: ana knows the data" in page
    assert "refuses the code of ana (no deletion): it deletes" in page


def test_a_message_that_was_taken_back_is_marked() -> None:
    told = Told("ana").task("Go.").turn("ana").says("wrong")
    told.log.append(Retracted(said=len(told.log)), parent=told.where)

    page = _page(told.over())

    assert "taken back before anybody was told" in page
    assert 'class="entry gone"' in page


def test_a_log_of_several_runs_has_a_section_for_each_and_says_how_it_goes_on() -> None:
    told = Told("ana").task("Go.").turn("ana").says("first")
    log = told.over("stopped", "Ctrl-C")
    log.append(Branched(origin="other-log", at=4, why="try again"))
    run = log.append(RunStarted(runner="lab", runner_type="Team", continues=told.run, resumed=True), source="lab").id
    log.append(Said(message=TextMessage(content="second", source="ana")), source="lab/ana", parent=run)

    outline = _Outline(page := _page(log))

    assert "Run 1</h2>" in page
    assert "Run 2 · goes on</h2>" in page
    assert "Branched here: the 4 facts before are those of the log other-log." in page
    assert "Stopped by a person</span>: Ctrl-C" in page
    assert (outline.open, outline.crossed) == ([], [])


def test_the_contents_name_each_turn_with_what_was_said() -> None:
    page = _page(sample_log())

    assert ">Turn 1 · coder</a> <span class=gist>I compare the mean mass of each species:</span>" in page
    assert ">Turn 3 · person</a> <span class=gist>yes</span>" in page


def test_a_long_transcript_is_whole_and_lets_the_browser_draw_what_is_in_sight() -> None:
    told = Told("ana").task("Count.")
    for number in range(MANY + 50):
        told.turn("ana").says(f"number {number}.")

    page = _page(told.over())

    assert all(f"number {number}." in page for number in range(MANY + 50))
    assert 'tabindex="-1" class=long>' in page


def _gists(log: RunLog) -> list[str]:
    return re.findall(r"<span class=gist>(.*?)</span>", _page(log))


@pytest.mark.parametrize(
    ("text", "gist"),
    [
        ("```python\nprint(1)\n```", "print(1)"),
        ("Look at this:\n\n```python\nprint(1)\n```", "Look at this:"),
        ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)&gt;"),
        ("## **Bold** claim `x > 2 * 3 * 4`", "Bold claim x &gt; 2 * 3 * 4"),
        ("> quoted\n> words", "quoted"),
        ("a_b * c_d -> e", "a_b * c_d -&gt; e"),
    ],
)
def test_the_contents_list_tells_what_was_said_without_its_marks_and_with_all_its_signs(text: str, gist: str) -> None:
    log = Told("ana").task("Go.").turn("ana").says(text).over()

    assert _gists(log) == ["Go.", gist]


def test_what_was_taken_back_to_be_said_again_is_folded_and_says_so() -> None:
    told = Told("ana").task("Go.").turn("ana").says("Half a thought.")
    (said,) = [event.seq for event in told.log if event.kind == "message" and event.parent == told.where]
    told.log.append(Retracted(said=said, anew=True), parent=told.run)
    log = told.turn("ana").says("A whole thought.").over()

    page = _page(log)
    markdown, _ = markdown_document(tell(log))

    assert re.search(r"gone[^>]*><details><summary>.*broken off; said again below.*?Half a thought", page, re.DOTALL)
    assert re.search(r"<details><summary>.*broken off; said again below</summary>\s+Half a thought", markdown)
    assert tell(log).messages == 2
