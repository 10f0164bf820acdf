"""The page that describes a run's file says what the code does."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from agentnb.runlog import JsonLinesStore, LineReader, RunLog
from agentnb.runlog.events import BODIES
from agentnb.runlog.store import BLOB_BYTES, FORMAT

PAGE = Path(__file__).parents[2] / "docs" / "log-format.md"
HEAD = "| kind | says | fields |\n| --- | --- | --- |\n"


def table() -> str:
    """Return the kinds of facts with what they say and hold; a `?` follows what a line may leave out."""
    rows = []
    for kind, body in BODIES.items():
        says = (body.__doc__ or "").strip().splitlines()[0].replace("|", "\\|")
        fields = [
            f"`{name}{'' if f.is_required() else '?'}`" for name, f in body.model_fields.items() if name != "kind"
        ]
        rows.append(f"| `{kind}` | {says} | {', '.join(fields)} |\n")
    return HEAD + "".join(rows)


def test_the_page_lists_every_kind_of_fact() -> None:
    assert table() in PAGE.read_text(encoding="utf-8"), f"Write it anew: python -m {__spec__.name}"


def test_the_page_is_of_the_present_format() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert f"This is format {FORMAT};" in page
    assert f'{{"agentnb": {FORMAT}, "run": id}}' in page
    assert f"above {BLOB_BYTES // 1024} KiB" in page


@pytest.mark.parametrize("example", re.findall(r"```json\n(.*?)\n```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
def test_the_lines_the_page_shows_can_be_read(example: str, tmp_path: Path) -> None:
    shown = example.replace('"kind":"message", …', '"kind":"note","text":"x"').replace(": id", ': "the-run"')
    shown = shown.replace('"seq":17,', '"seq":1,')  # the first of its file
    path = tmp_path / "run.jsonl"
    before = "" if "agentnb" in shown else f'{{"agentnb": {FORMAT}, "run": "the-run"}}\n'
    path.write_text(f"{before}{shown}\n")

    reader = LineReader(path)
    events = reader.read()

    assert reader.run_id == "the-run"
    for event in events:
        again = tmp_path / "again.jsonl"
        store = JsonLinesStore(again, "the-run")
        store.write(event)
        store.close()
        assert json.loads(again.read_text().splitlines()[1]) == json.loads(shown.replace('"x"}', '"x","by":""}'))


def test_a_log_of_the_shown_kinds_is_what_the_page_calls_it(log: RunLog) -> None:
    log.note("x")
    assert log.path is not None

    header, fact = (json.loads(line) for line in log.path.read_text().splitlines())

    assert header == {"agentnb": FORMAT, "run": log.id}
    assert list(fact) == ["seq", "at", "source", "body"]


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(re.sub(re.escape(HEAD) + r"(\|.*\n)*", lambda _: table(), page), encoding="utf-8")
    sys.stdout.write(f"Wrote {PAGE}.\n")
