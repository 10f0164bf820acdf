"""A run as a notebook: its accepted code as cells that run again, with their outputs, and the talk between."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from agentnb.transcripts.export import Aside, Code, Failures, Opening, Speech, Story, Talk, cells
from agentnb.ui.documents import words
from agentnb.ui.documents.markdown import MarkdownWriter, episode_rows, head, speech
from agentnb.ui.markup import escape_markdown, fenced

Json = dict[str, Any]


def notebook_document(story: Story, *, failures: Failures = "none") -> str:
    """Return a story as the text of an `.ipynb` file of format 4.5.

    Thoughts, calls of tools and choices of speakers are left out: a page shows those. Shell blocks become `%%bash`
    cells; code in other languages, and code that failed where `failures` is "text", stays text.
    """
    made = [_markdown("title", _opening(story))]
    count = 0
    for cell in cells(story, failures=failures):
        match cell:
            case Opening():
                if len(story.episodes) > 1:
                    rows = "\n".join(f"- {name}: {value}" for name, value in episode_rows(cell.episode))
                    made.append(_markdown(f"run-{len(made)}", f"## {escape_markdown(cell.episode.runner)}\n\n{rows}"))
            case Talk():
                made.append(_markdown(f"fact-{cell.entry.seq}", talk(cell)))
            case Code(accepted=True, language="python" | "shell"):
                count += 1
                code = cell.code if cell.language == "python" else f"%%bash\n{cell.code}"
                made.append(_code(cell, code, count))
            case Code():
                made.append(_markdown(f"fact-{cell.run.seq}-{cell.number}", _as_text(cell)))
    document = {
        "cells": made,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "agentnb": {"log": story.log_id},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _opening(story: Story) -> str:
    lines = [f"# {escape_markdown(words.title(story))}"]
    rows = episode_rows(story.episodes[0]) if len(story.episodes) == 1 else []
    rows += [(name, escape_markdown(value)) for name, value in words.measures(story)]
    lines.append("\n".join(f"- {name}: {value}" for name, value in rows))
    notes = "".join(f" {escape_markdown(note)}" for note in story.notes)
    lines.append(f"*The code that ran in this run, in its order. Written with agentnb from its log.{notes}*")
    return "\n\n".join(lines)


def talk(cell: Talk) -> str:
    """Return what was said, asked or noted, as Markdown."""
    entry = cell.entry
    if isinstance(entry, Speech):
        pictures = [
            f"![sent by {escape_markdown(words.who(entry))}](data:image/png;base64,{one})" for one in entry.images
        ]
        said = [speech(entry, 2, cell.text)] if cell.text.strip() else []
        return "\n\n".join([head(entry, entry.label), *said, *pictures])
    note = []
    if isinstance(entry, Aside):
        note = ["*These variables are not part of this notebook: make them before its code runs.*"]
        return "\n\n".join([head(entry, entry.label), fenced(entry.text), *note])
    return "\n\n".join(filter(None, MarkdownWriter("none", "").entry(entry)))


def _as_text(cell: Code) -> str:
    said = "not run again here" if cell.accepted else words.ran(cell.run, follows=True)
    shown = [fenced(cell.run.output.rstrip("\n"), "text")] if not cell.accepted and cell.run.output.strip() else []
    return "\n\n".join([head(cell.run, said), fenced(cell.code, cell.name), *shown])


def _markdown(key: str, text: str) -> Json:
    return {"cell_type": "markdown", "id": key, "metadata": {}, "source": text}


def _code(cell: Code, code: str, count: int) -> Json:
    return {
        "cell_type": "code",
        "id": f"fact-{cell.run.seq}-{cell.number}",
        "metadata": {"agentnb": {"source": cell.run.source}},
        "execution_count": count,
        "source": code,
        "outputs": outputs(cell.outputs),
    }


def outputs(bundles: Iterable[Mapping[str, Any]]) -> list[Json]:
    """Return mime bundles as the outputs of a notebook's cell."""
    made: list[Json] = []
    for bundle in bundles:
        data = {mime: value for mime, value in bundle.items() if "/" in mime}
        if not data:
            continue
        name = bundle.get("stream")
        if name not in ("stdout", "stderr"):
            made.append({"output_type": "display_data", "data": data, "metadata": {}})
            continue
        text = str(data.get("text/plain", ""))
        if made and made[-1].get("name") == name:
            made[-1]["text"] += text
        else:
            made.append({"output_type": "stream", "name": name, "text": text})
    return made
