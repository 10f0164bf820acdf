"""Cells with IPython's own lines are read as Python, line for line."""

from __future__ import annotations

import ast

import pytest

from agentnb.compat.source import Edit, Source, masked


@pytest.mark.parametrize(
    ("cell", "python"),
    [
        ("%pip install x\nimport a", "pass\nimport a"),
        ("if x:\n    !ls -l\n", "if x:\n    pass\n"),
        ("files = !ls\nn = 2", "files = 0\nn = 2"),
        ("t = %timeit -o f()\n", "t = 0\n"),
        ("f?\n??g\nh.i??", "pass\npass\npass"),
        ("!pip install a \\\n  b\nc = 1", "pass\n\nc = 1"),
        ("%%time\nimport a", "pass\nimport a"),
        ("%%bash\npip install a\n", "\n\n"),
        ("%%writefile a.py\nimport a", "pass\nimport a"),
        ("%%writefile a.txt\nno python", "\n"),
        ("x = 5 % 3\ny = a != b", "x = 5 % 3\ny = a != b"),
    ],
)
def test_a_cells_magics_become_nothing_on_the_same_lines(cell: str, python: str) -> None:
    assert masked(cell) == python


def test_a_cell_that_is_python_already_is_not_touched() -> None:
    text = 'print("""\n%not a magic\n""")\nawait f()\n'

    assert Source(text, is_cell=True).parsed == text


def test_a_file_with_a_magic_is_no_python() -> None:
    with pytest.raises(SyntaxError):
        Source("%pip install x\n")


@pytest.mark.parametrize("text", ["x = \0", "x = (", "(" * 5000])
def test_what_is_no_python_is_a_syntax_error_whatever_the_reason(text: str) -> None:
    with pytest.raises(SyntaxError):
        Source(text)


def test_positions_are_of_bytes_and_edits_keep_the_rest() -> None:
    source = Source("x = 'äöü'; y = z\r\nlast = 1")
    statement = source.tree.body[1]
    assert isinstance(statement, ast.Assign)

    start, end = source.span(statement.value)

    assert source.data[start:end] == b"z"
    assert source.place(1, statement.col_offset) == (1, 12)
    assert source.edited([Edit(start, end, "w")]) == "x = 'äöü'; y = w\r\nlast = 1"
