"""A notebook's cells are changed in place: the rest of the file keeps its very letters."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentnb.compat.cells import code_cells, replaced


def _notebook(*cells: Any, **metadata: Any) -> dict[str, Any]:
    made = [c if isinstance(c, dict) else {"cell_type": "code", "metadata": {}, "source": c} for c in cells]
    return {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def test_code_cells_are_numbered_among_all() -> None:
    text = json.dumps(_notebook({"cell_type": "markdown", "source": ["# autogen"]}, ["a = 1\n", "b"], "c"))

    assert [(cell.number, cell.text) for cell in code_cells(text)] == [(2, "a = 1\nb"), (3, "c")]


@pytest.mark.parametrize("indent", [None, 1, 2, "\t"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_only_the_changed_line_changes(indent: int | str | None, ascii_only: bool) -> None:
    content = _notebook({"source": ["# ä\n", "import old\n", "x = 'ü'"], "outputs": [], "cell_type": "code"})
    text = json.dumps(content, indent=indent, ensure_ascii=ascii_only) + "\n"
    (cell,) = code_cells(text)

    new = replaced(text, {cell: cell.text.replace("old", "new")})

    assert new == text.replace("import old", "import new")


def test_a_source_that_is_one_string_stays_one() -> None:
    text = json.dumps(_notebook("import old\n"))
    (cell,) = code_cells(text)

    assert replaced(text, {cell: "import new\n"}) == text.replace("old", "new")


def test_lines_are_added_in_the_style_of_the_file() -> None:
    text = json.dumps(_notebook(["one"]), indent=1)
    (cell,) = code_cells(text)

    assert replaced(text, {cell: "one\ntwo"}) == json.dumps(_notebook(["one\n", "two"]), indent=1)


def test_an_empty_cell_stays_empty() -> None:
    text = json.dumps(_notebook([], "x"))

    assert replaced(text, {cell: cell.text for cell in code_cells(text)}) == text


def test_a_notebook_of_another_language_has_no_cells_for_us() -> None:
    assert code_cells(json.dumps(_notebook("x <- 1", language_info={"name": "R"}))) == []


@pytest.mark.parametrize("text", ["", "[]", "{", '{"worksheets": []}', '{"cells": 1}'])
def test_what_is_no_notebook_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Expecting|nbformat 4"):
        code_cells(text)


@given(
    sources=st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=4), max_size=3),
    others=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), min_size=3, max_size=3),
    indent=st.sampled_from([None, 1, 4]),
)
def test_any_cell_can_take_any_text(sources: list[list[str]], others: list[str], indent: int | None) -> None:
    text = json.dumps(_notebook(*sources), indent=indent)
    cells = code_cells(text)
    texts = {cell: other for cell, other in zip(cells, others, strict=False) if cell.text}

    read = code_cells(replaced(text, texts))

    assert [cell.text for cell in read] == [texts.get(cell, cell.text) for cell in cells]
