"""Names as they are written."""

from __future__ import annotations

from agentnb.transcripts.plots import timeline
from agentnb.transcripts.plots.lettering import cells, short, shorts, style, unwritable
from tests.transcripts.plots.runs import Told
from tests.transcripts.plots.sight import seen, words

HAN = "文献调研与数据整理智能体"


def test_names_are_cut_and_cannot_begin_mathematics() -> None:
    assert short("a very long name of an agent") == "a very lon…n agent"
    assert short("cash$flow$") == r"cash\$flow\$"


def test_names_that_would_look_alike_show_where_they_differ() -> None:
    names = [f"department_of_research_{n}_and_development" for n in (1, 2, 13)]

    found = shorts([*names, "ana"])

    assert found["ana"] == "ana"
    assert len(set(found.values())) == 4
    assert all(f"_{n}_and" in found[name] for n, name in zip((1, 2, 13), names, strict=True))
    assert max(map(cells, found.values())) <= 18


def test_letters_of_east_asia_count_twice() -> None:
    assert cells("ab") == 2
    assert cells("文献") == 4
    assert cells("é") == cells("e\N{COMBINING ACUTE ACCENT}") == 1


def test_letters_that_no_font_has_are_numbers_and_the_figure_says_so() -> None:
    unknown = "\N{OLD TURKIC LETTER ORKHON A}\N{LINEAR B SYLLABLE B008 A}"
    told = Told()
    told.done(told.turn(unknown, told.run(unknown)))

    ax = timeline(told.log)

    assert unwritable(unknown)
    assert not unwritable("Ærø Ω Жук")
    assert ax.get_yticklabels()[0].get_text().startswith("\\U00010c00")
    assert any("letters that no installed font has" in text for text in words(ax))


def test_letters_that_another_font_has_are_drawn_with_it() -> None:
    # DejaVu Sans lacks it, and STIXGeneral, which comes with matplotlib too, has it.
    lacking = "\N{LATIN SMALL LETTER D WITH PALATAL HOOK}"
    told = Told()
    told.done(told.turn(f"{lacking} agent", told.run(f"{lacking} agent")))

    (name,) = [text for text in seen(timeline(told.log)) if "agent" in text.get_text()]

    assert name.get_text() == f"{lacking} agent"
    assert len(name.get_fontfamily()) == 2
    assert style("plain", size="small") == {"fontsize": "small"}


def test_a_number_stays_behind_a_name_written_from_right_to_left() -> None:
    assert short("محلل") == "\N{LEFT-TO-RIGHT MARK}محلل\N{LEFT-TO-RIGHT MARK}"
