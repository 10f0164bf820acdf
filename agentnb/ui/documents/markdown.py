"""A run as Markdown, to be read on GitHub, in a paper's appendix, or by pandoc."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable

from agentnb.transcripts.export import (
    Aside,
    Asked,
    Chosen,
    CodeRun,
    Entry,
    Episode,
    Fault,
    Part,
    Remark,
    Speech,
    Story,
    ToolUse,
    Verdict,
)
from agentnb.ui.bundle import part_text
from agentnb.ui.documents import words
from agentnb.ui.documents.figures import Figure, Figures
from agentnb.ui.documents.prose import settled
from agentnb.ui.markup import escape_markdown, fenced, plain_text
from agentnb.ui.outputs import clip_line, error_line, parts_of, text_part

FOLDED = 15
"""Lines of a failure's output from which on it is folded."""

_ENDINGS = {"image/png": "png", "image/jpeg": "jpg"}


def markdown_document(story: Story, *, images: str = "files", folder: str = "") -> tuple[str, dict[str, bytes]]:
    """Return a story as Markdown, and the files that go beside it, by name.

    Args:
        story: As `agentnb.transcripts.export.tell` gives it.
        images: "inline" puts figures into the text as data, which GitHub does not show; "files" refers to files in
            `folder`; "none" leaves them out with a note.
        folder: Where the files will lie, relative to the text.
    """
    return MarkdownWriter(images, folder).document(story)


class MarkdownWriter:
    """Writes a story's entries, and keeps its figures."""

    def __init__(self, images: str, folder: str) -> None:
        self._images = images
        self._folder = folder
        self._figures = Figures()
        self.files: dict[str, bytes] = {}

    def document(self, story: Story) -> tuple[str, dict[str, bytes]]:
        single = len(story.episodes) == 1
        blocks = [f"# {_line(words.title(story))}"]
        rows = [(name, _line(value)) for name, value in words.measures(story)]
        if single:
            rows = [*episode_rows(story.episodes[0]), *rows]
        if story.branched:
            rows.append(("Branch", f"the first {story.branched[1]:,} facts are those of {_line(story.branched[0])}"))
        blocks.append(_table(("Run", ""), rows))
        for number, episode in enumerate(story.episodes, start=1):
            if not single:
                blocks += [f"## Run {number}", _table(("Run", ""), episode_rows(episode))]
            for place, part in enumerate(episode.parts):
                blocks += self._part(part, 2 if single else 3, first=place == 0)
        blocks += self._index()
        made = [row for episode in story.episodes[-1:] for row in words.provenance(episode.provenance)]
        if made:
            rows = [(_line(name), _line(value)) for name, value in made]
            blocks += ["## How this run was made", _table(("What", ""), rows)]
        notes = " ".join(map(_line, story.notes))
        blocks.append(f"*Written with agentnb from the run's log {_line(story.log_id)}.{f' {notes}' if notes else ''}*")
        return "\n\n".join(blocks) + "\n", self.files

    def _part(self, part: Part, level: int, *, first: bool) -> Iterable[str]:
        name = _line(words.heading(part)) or ("Task" if first else "")
        if name:
            yield f"{'#' * level} {name}"
        if part.replaced:
            yield f"<details><summary>{_in_html(words.replaced(part))}</summary>"
        for entry in part.entries:
            yield from filter(None, self.entry(entry, level))
        if part.replaced:
            yield "</details>"

    def _index(self) -> Iterable[str]:
        if self._figures.all:
            yield "## Figures"
            rows = [
                (f"{figure.number}", f"fact {figure.entry.seq}", _line(figure.alt.partition(": ")[2] or figure.alt))
                for figure in self._figures.all
            ]
            yield _table(("Figure", "Where", "What it shows"), rows)

    def entry(self, entry: Entry, level: int = 2) -> Iterable[str]:
        """Yield the blocks of one entry."""
        match entry:
            case Speech(echo=True):
                yield _folded(entry, "what the others read", fenced(entry.text))
            case Speech():
                label = " · ".join(filter(None, [entry.label, words.taken_back(entry)]))
                if entry.anew:
                    yield _folded(entry, label, speech(entry, level) if entry.text.strip() else "")
                    return
                yield head(entry, label)
                if entry.text.strip():
                    yield speech(entry, level)
                for data in entry.images:
                    yield self._image("image/png", data, self._figures.add(entry))
            case Aside():
                inside = settled(entry.text, below=level) if entry.style == "markdown" else fenced(entry.text)
                yield _folded(entry, entry.label, inside if entry.text.strip() else "")
            case ToolUse():
                result = "" if entry.result is None else fenced(text_part(entry.result)["data"].rstrip("\n"))
                called = fenced(entry.arguments, "json") if entry.arguments else ""
                yield _folded(entry, words.used(entry), "\n\n".join(filter(None, [called, result])))
            case CodeRun():
                yield head(entry, words.ran(entry))
                for block in () if entry.shown_above else entry.blocks:
                    yield fenced(block.code.strip("\n"), block.language)
                yield from self._outputs(entry)
            case Asked():
                yield head(entry, "answers" if entry.answer is not None else "is asked")
                choices = f" ({', '.join(entry.choices)})" if entry.choices else ""
                yield _quoted(escape_markdown(entry.prompt + choices))
                yield escape_markdown(words.replied(entry))
            case Chosen():
                said = words.chose_from(entry)
                yield f"*{_line(words.chose(entry))}*" + (f" {_line(said)}" if said else "")
            case Fault():
                yield head(entry, f"✗ {entry.type}")
                yield escape_markdown(entry.message)
                if entry.traceback:
                    yield _folded(entry, "traceback", fenced(entry.traceback))
            case Verdict():
                yield head(entry, words.judged(entry))
                if entry.text:
                    yield _quoted(escape_markdown(entry.text))
            case Remark():
                who = f"{entry.source}: " if entry.source and "/" not in entry.source else ""
                yield f"*{_line(' '.join(filter(None, [who + entry.text, entry.detail])))}*"

    def _outputs(self, entry: CodeRun) -> Iterable[str]:
        shown = parts_of(entry.outputs) or ([text_part(entry.output)] if entry.output.strip() else [])
        pictures = sum(part["mime"].startswith("image/") for part in shown)
        for part in shown:
            if part["mime"].startswith("image/"):
                yield self._image(part["mime"], part["data"], self._figures.add(entry, single=pictures == 1))
                continue
            text = part_text(part).rstrip("\n")
            failed = entry.finished and not entry.accepted
            if failed and text.count("\n") >= FOLDED:
                yield f"**{_line(error_line(text))}**"
                yield _folded(entry, "output", fenced(text, "text"))
            else:
                yield fenced(text, "text")
        if entry.error:
            yield f"**{_line(entry.error)}**"
        elif entry.finished and not shown:
            yield "*No output.*"

    def _image(self, mime: str, data: str, figure: Figure) -> str:
        alt = _line(figure.alt)
        if self._images == "none":
            return f"*\\[{alt}; the picture is left out\\]*"
        if self._images == "inline":
            return f"![{alt}](data:{mime};base64,{''.join(data.split())})"
        name = f"figure-{figure.number}.{_ENDINGS[mime]}"
        self.files[name] = base64.b64decode(data)
        return f"![{alt}](<{self._folder}/{name}>)"


def episode_rows(episode: Episode) -> list[tuple[str, str]]:
    """Return who ran, with what, when, and how it ended, as Markdown."""
    kind = f" ({episode.runner_type})" if episode.runner_type else ""
    people = ", ".join(f"{name} ({role})" if role else name for name, role, _ in episode.participants)
    reason = f": {episode.reason}" if episode.reason else ""
    rows = [
        ("Team", f"{episode.runner}{kind}" if episode.runner else ""),
        ("Who takes part", people),
        ("Model", episode.model),
        ("Began", words.when(episode.began)),
        ("Outcome", words.outcome(episode) + reason),
    ]
    return [(name, _line(value)) for name, value in rows if value]


def head(entry: Entry, label: str) -> str:
    """Return the line that says whose entry it is, and what it does."""
    pieces = [f"**{_line(words.who(entry))}**" if entry.source else "", _line(clip_line(label, 400))]
    return " ".join(filter(None, pieces)) or "**?**"


def speech(entry: Speech, level: int = 2, text: str | None = None) -> str:
    """Return what a message says; `text` stands for its own."""
    text = entry.text if text is None else text
    match entry.style:
        case "json":
            return fenced(text, "json")
        case "markdown" if not entry.task:
            return settled(text, below=level)
    return _broken(escape_markdown(text))


def _broken(escaped: str) -> str:
    # Two spaces would be lost in many editors.
    return re.sub(r"(?<=[^\n\\])\n(?=[^\n])", "\\\\\n", escaped)


def _line(text: str) -> str:
    return escape_markdown(" ".join(plain_text(text).split()))


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def _folded(entry: Entry, label: str, inside: str) -> str:
    who = f"<strong>{_in_html(words.who(entry))}</strong> " if entry.source else ""
    summary = f"<summary>{who}{_in_html(clip_line(label, 400))}</summary>"
    return f"<details>{summary}\n\n{inside}\n\n</details>" if inside else head(entry, label)


def _in_html(text: str) -> str:
    # Some readers look for Markdown within HTML as well.
    escaped = html.escape(" ".join(plain_text(text).split()))
    return re.sub(r"[\\`*_\[\]~$|]", lambda match: f"&#{ord(match[0])};", escaped)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [" | ".join(heads), " | ".join("---" for _ in heads), *(" | ".join(row) for row in rows)]
    return "\n".join(f"| {line} |" for line in lines)
