"""What is a formula stays as it was written and is typeset; what only has dollars in it is neither."""

from __future__ import annotations

import re

import pytest

from agentnb.messages import TextMessage
from agentnb.runlog import RunLog, Said
from agentnb.ui import bundle, message_bundle
from agentnb.ui.formulas import FORMULA_CLASS, PLAIN_CLASS
from agentnb.ui.markup import markdown_html

_FORMULA = re.compile(rf'<(?:span|div) class="{FORMULA_CLASS}">(.*?)</(?:span|div)>', re.DOTALL)


def typeset(text: str) -> list[str]:
    return _FORMULA.findall(markdown_html(text))


@pytest.mark.parametrize(
    "formula",
    [
        r"$x$",
        r"$\bar{x}_1 = a_1*b*c$",
        r"\(a^2 + b_1_2\)",
        r"\[E = mc^2\]",
        r"$$\int_0^\infty e^{-x^2}\,dx$$",
        "$$\na\n$$",
        "\\[\na\n- b\n= c\\,d\n+ e\n\\]",
        r"$5\$ + x$",
        r"$`$",
    ],
)
@pytest.mark.parametrize("around", ["{}", "so {}.", "**See** {}, (and {})", "- {}", "> {}", "| a |\n|---|\n| {} |"])
def test_a_formula_stays_as_it_was_written(formula: str, around: str) -> None:
    if "\n" in formula and around not in ("{}",):
        around = "So it is:\n{}\nis it not?"

    assert typeset(around.replace("{}", formula)) == [formula] * around.count("{}")


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5 and then $10.",
        "between $5-$10, or ($5)–($6), or US$4M (not 5$)",
        "$5",
        "a $ b $ c",
        "$HOME/bin:$PATH and ${x}",
        "`$x$` and `\\(x\\)`",
        "```\n$$\nx\n$$\n```",
        "    $$x$$",
        r"\$x\$",
        "$$\nnever closed",
        "\\[ never closed",
        "$x\n\ny$",
        "the array [ a, b ] and f( x )",
    ],
)
def test_dollars_and_brackets_that_are_no_formula_are_left_alone(text: str) -> None:
    assert typeset(text) == []


def test_a_formula_within_a_list_ends_with_its_item() -> None:
    text = "1. first\n   $$\n   x\n   $$\n2. second\n   \\[\n3. third\n   \\]"

    assert typeset(text) == ["$$\nx\n$$"]


@pytest.mark.parametrize(
    "formula",
    [
        r"$\href{javascript:alert(1)}{x}$",
        r"$$\style{position:fixed;top:0}{x}$$",
        r"\[\bbox[position:fixed]{x}\]",
        r"$\def\sum{0}$",
        r"$\renewcommand{\sum}{0}$",
        r"$\class{jp-Dialog}{x}$",
        r"$\mmlToken{mi}[href=javascript:alert(1)]{x}$",
        r"$\require{html}\href{x}{y}$",
        r"$\hspace{-100em}x$",
        r"$\rlap{x}$",
    ],
)
def test_a_formula_that_could_act_is_shown_as_its_source(formula: str) -> None:
    markup = markdown_html(f"See {formula} there.")

    assert FORMULA_CLASS not in markup
    assert formula in markup


def test_what_merely_looks_like_a_harmful_command_is_typeset() -> None:
    assert typeset(r"$\left( \hrefx \rightarrow \max_{x} \define \letters \right)$") != []


def test_a_formula_is_text_to_html() -> None:
    assert typeset("$a<b$ and $</span><script>$") == ["a&lt;b".join("$$"), "$&lt;/span&gt;&lt;script&gt;$"]


def test_nothing_else_of_a_page_is_typeset() -> None:
    log = RunLog()
    log.append(Said(message=TextMessage(content="From $5 to $10", source="a")))
    message = TextMessage(content="From $5 to $10", source="a")

    for page in (bundle(log)["text/html"], message_bundle(message)["text/html"]):
        assert page.startswith(f'<div class="{PLAIN_CLASS}"')
        assert FORMULA_CLASS not in page


def test_a_line_break_in_a_formula_is_no_paragraph() -> None:
    assert typeset("$$a\n+ b$$") == ["$$a\n+ b$$"]


def test_many_openings_without_an_end_are_read_in_time() -> None:
    markdown_html("\\[ \\( $$ $x " * 5_000)
