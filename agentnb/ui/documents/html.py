"""A run as one page that needs nothing else: no script, no style sheet of others, nothing that is loaded.

Its policy forbids the browser to load anything, so not even a slip of ours could tell somebody that it was opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from agentnb.runlog.scopes import name_of
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
from agentnb.ui.documents import words
from agentnb.ui.documents.figures import Figures
from agentnb.ui.documents.markdown import FOLDED
from agentnb.ui.documents.style import STYLE
from agentnb.ui.markup import clean_html, escape_html, markdown_html
from agentnb.ui.outputs import Part as Shown
from agentnb.ui.outputs import clip_line, error_line, parts_of, text_part
from agentnb.ui.page import hue_of

LONG = 60
"""Lines of an output from which on it scrolls within its own box."""
MANY = 100
"""Sections from which on a browser draws only those in sight; what takes a picture of all would miss the others."""

_FENCES = re.compile(r"(?m)^[ \t]*(?:`{3,}|~{3,}).*$")
_LEADS = re.compile(r"(?m)^[ \t]*(?:#{1,6}[ \t]+|>[ \t]?)+")
_SPANS = re.compile(r"(\*{1,3}|`+)(?=\S)(.+?)(?<=\S)\1")
_HEADING = re.compile(r"<(/?)h([1-6])\b")
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def html_document(story: Story) -> str:
    """Return a story as a page.

    Args:
        story: As `agentnb.transcripts.export.tell` gives it.
    """
    page = _Page(story)
    body = "".join(page.episode(number, one) for number, one in enumerate(story.episodes, start=1))
    name = escape_html(words.title(story))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="generator" content="agentnb">\n'
        f"<title>{name}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#conversation">Skip to the conversation</a>\n<div class="frame">\n'
        f"<header>\n<h1>{name}</h1>\n{_facts(story)}</header>\n"
        f"{page.contents()}"
        f'<main id="conversation" tabindex="-1"{" class=long" if page.sections > MANY else ""}>\n'
        f"{body or '<p>Nothing happened.</p>'}</main>\n"
        f"{_footer(story)}</div>\n</body>\n</html>\n"
    )


def _facts(story: Story) -> str:
    rows: list[tuple[str, str]] = []
    if len(story.episodes) == 1:
        rows += _of_episode(story.episodes[0])
    elif story.episodes:
        last = story.episodes[-1]
        rows += [("Runs", f"{len(story.episodes):,}"), ("Began", _time(story.episodes[0].began))]
        rows.append(("Outcome", _outcome(last)))
    rows += [(name, escape_html(value)) for name, value in words.measures(story)]
    if story.branched:
        origin, count = story.branched
        rows.append(("Branch", f"the first {count:,} facts are those of the log {escape_html(origin)}"))
    return _list(rows)


def _of_episode(episode: Episode) -> list[tuple[str, str]]:
    rows = []
    kind = f" ({escape_html(episode.runner_type)})" if episode.runner_type else ""
    if episode.runner:
        rows.append(("Team", f"{escape_html(episode.runner)}{kind}"))
    if episode.participants:
        people = ", ".join(f"{name} ({role})" if role else name for name, role, _ in episode.participants)
        rows.append(("Who takes part", escape_html(people)))
    if episode.model:
        rows.append(("Model", escape_html(episode.model)))
    rows += [("Began", _time(episode.began)), ("Outcome", _outcome(episode))]
    return rows


def _outcome(episode: Episode) -> str:
    sort = {"done": "good", "failed": "bad"}.get(episode.outcome, "")
    mark = {"done": "✓ ", "failed": "✗ "}.get(episode.outcome, "")
    word = f'<span class="{sort}">{mark}{escape_html(words.outcome(episode))}</span>'
    return f"{word}: {escape_html(episode.reason)}" if episode.reason else word


def _list(rows: Iterable[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows) + "</dl>\n"


def _time(at: Any) -> str:
    return f'<time datetime="{at.isoformat()}">{words.when(at)}</time>'


def _footer(story: Story) -> str:
    episodes = [one for one in story.episodes if one.provenance]
    made = ""
    if episodes:
        rows = [(escape_html(name), escape_html(value)) for name, value in words.provenance(episodes[-1].provenance)]
        made = f"<details><summary>How this run was made</summary>{_list(rows)}</details>\n"
    told = " ".join(["Written with agentnb from the run's log", f"{escape_html(story.log_id)}."])
    notes = "".join(f" {escape_html(note)}" for note in story.notes)
    return f"<footer>\n{made}<p>{told}{notes}</p>\n</footer>\n"


class _Page:
    """Draws a story's entries, and remembers what the contents list names."""

    def __init__(self, story: Story) -> None:
        self._single = len(story.episodes) == 1
        self._figures = Figures()
        self._hues: dict[str, str] = {}
        self._listed: list[tuple[str, str, str]] = []
        self.sections = sum(len(episode.parts) for episode in story.episodes)

    def contents(self) -> str:
        """Return the list of turns; for after the episodes were drawn."""
        if len(self._listed) < 2:
            return ""
        rows = "".join(
            f'<li><a href="#{key}">{name}</a>{f" <span class=gist>{gist}</span>" if gist else ""}</li>'
            for key, name, gist in self._listed
        )
        return (
            '<nav aria-labelledby="contents"><div><h2 id="contents">Contents</h2>'
            f'<ol role="list" tabindex="0" aria-labelledby="contents">{rows}</ol></div></nav>\n'
        )

    def episode(self, number: int, episode: Episode) -> str:
        parts = "".join(
            self._part(f"{number}-{place}", part, first=place == 1) for place, part in enumerate(episode.parts, start=1)
        )
        if self._single:
            return parts
        how = "goes on" if episode.resumed else "follows" if episode.continues else ""
        name = f"Run {number}" + (f" · {how}" if how else "")
        self._listed.insert(len(self._listed) - self._count(episode), (f"run-{number}", name, ""))
        return f'<h2 class="run" id="run-{number}">{name}</h2>\n{_list(_of_episode(episode))}{parts}'

    def _count(self, episode: Episode) -> int:
        return sum(part.turn is not None or place == 0 for place, part in enumerate(episode.parts))

    def _part(self, key: str, part: Part, *, first: bool) -> str:
        level = 2 if self._single else 3
        entries = "".join(self._entry(entry, level + 1) for entry in part.entries)
        name = escape_html(words.heading(part)) or ("Task" if first else "")
        if not name:
            return f'<section class="part" aria-label="Between turns">{entries}</section>\n'
        self._listed.append((f"part-{key}", name, "" if part.replaced else escape_html(_gist(part))))
        about = [
            words.lasted(part.took) if part.took is not None and part.took >= 0.05 else "",
            f"{part.tokens:,} tokens" if part.tokens and part.turn is not None else "",
            {"failed": "failed", "stopped": "stopped"}.get(part.outcome, ""),
        ]
        meta = " · ".join(filter(None, about))
        head = f'<h{level} class="part" id="part-{key}">{name}</h{level}>'
        inside = f"{f'<p class=meta>{meta}</p>' if meta else ''}{entries}"
        if part.replaced:
            head, inside = f"<details><summary>{head}</summary>", f"{inside}</details>"
        kind = "part replaced" if part.replaced else "part"
        return f'<section class="{kind}" aria-labelledby="part-{key}">{head}{inside}</section>\n'

    def _entry(self, entry: Entry, level: int) -> str:
        match entry:
            case Speech():
                return self._speech(entry, level)
            case Aside():
                return self._folded(entry, level, "aside", entry.label, _prose(entry.text, entry.style, level))
            case ToolUse():
                inside = f"<p class=label>Arguments</p>{_pre(entry.arguments)}" if entry.arguments else ""
                if entry.result is not None:
                    inside += f"<p class=label>Result</p>{_pre(text_part(entry.result)['data'], output=True)}"
                return self._folded(entry, level, "tool", words.used(entry), inside)
            case CodeRun():
                return self._code(entry, level)
            case Asked():
                choices = f" ({', '.join(map(escape_html, entry.choices))})" if entry.choices else ""
                inside = (
                    f'<div class="quote"><span class="label">Asked:</span> {escape_html(entry.prompt)}{choices}</div>'
                    f'<div class="plain">{escape_html(words.replied(entry))}</div>'
                )
                label = "answers" if entry.answer is not None else "is asked"
                return self._open(entry, level, "asked", label, inside)
            case Chosen():
                said = words.chose_from(entry)
                more = f"<details><summary>How</summary><div class=plain>{escape_html(said)}</div></details>"
                inside = f"<div>{escape_html(words.chose(entry))}</div>{more if said else ''}"
                return f'<div class="entry chosen" id="fact-{entry.seq}">{inside}</div>\n'
            case Fault():
                trace = f"<details><summary>Traceback</summary>{_pre(entry.traceback)}</details>"
                inside = (
                    f'<div class="plain message">{escape_html(entry.message)}</div>{trace if entry.traceback else ""}'
                )
                return self._open(entry, level, "fault", f"✗ {entry.type}", inside)
            case Verdict():
                quote = f'<div class="quote">{escape_html(entry.text)}</div>' if entry.text else ""
                if entry.allowed:
                    return self._folded(entry, level, "aside", words.judged(entry), quote)
                return self._open(entry, level, "refused", words.judged(entry), quote)
            case Remark():
                who = f"{escape_html(entry.source)}: " if entry.source and "/" not in entry.source else ""
                more = f"<div>{escape_html(entry.detail)}</div>" if entry.detail else ""
                return f'<div class="entry remark" id="fact-{entry.seq}">{who}{escape_html(entry.text)}{more}</div>\n'
        return ""

    # One thing

    def _speech(self, entry: Speech, level: int) -> str:
        if entry.echo:
            return self._folded(entry, level, "aside echo", "what the others read", _pre(entry.text, output=True))
        inside = _prose(entry.text, entry.style if not entry.task else "plain", level)
        for image in entry.images:
            figure = self._figures.add(entry)
            inside += _image("image/png", image, figure.alt)
        label = " · ".join(filter(None, [entry.label, words.taken_back(entry)]))
        if entry.anew:
            return self._folded(entry, level, "gone", label, inside)
        kind = "task" if entry.task else "gone" if entry.retracted else "speech"
        return self._open(entry, level, kind, label, inside)

    def _code(self, entry: CodeRun, level: int) -> str:
        code = "".join(_pre(block.code.strip("\n")) for block in entry.blocks)
        shown = parts_of(entry.outputs) or ([text_part(entry.output)] if entry.output.strip() else [])
        pictures = sum(part["mime"].startswith("image/") for part in shown)
        drawn = "".join(self._output(part, entry, single=pictures == 1) for part in shown)
        text = "\n".join(part["data"] for part in shown if part["mime"] == "text/plain")
        if entry.finished and not entry.accepted and text.count("\n") >= FOLDED:
            problem = f'<div class="plain bad">{escape_html(error_line(text))}</div>'
            drawn = f"{problem}<details><summary>Output</summary>{drawn}</details>"
        if entry.error:
            drawn += f'<div class="plain bad">{escape_html(entry.error)}</div>'
        if entry.finished and not drawn:
            drawn = "<p class=label>No output.</p>"
        head = self._head(entry, level, words.ran(entry))
        opened = "" if entry.shown_above else " open"
        kind = "fault" if entry.finished and not entry.accepted else "code"
        return (
            f'<article class="entry {kind}" id="fact-{entry.seq}"{self._edge(entry, kind)}>'
            f"<details{opened}><summary>{head}</summary>{code}</details>{drawn}</article>\n"
        )

    def _output(self, part: Shown, entry: CodeRun, *, single: bool) -> str:
        match part["mime"]:
            case "text/html":
                return _table(clean_html(part["data"], styled=True))
            case "image/png" | "image/jpeg" as mime:
                return _image(mime, part["data"], self._figures.add(entry, single=single).alt)
        return _pre(part["data"].rstrip("\n"), output=True)

    def _open(self, entry: Entry, level: int, kind: str, label: str, inside: str) -> str:
        head = self._head(entry, level, label)
        return (
            f'<article class="entry {kind}" id="fact-{entry.seq}"{self._edge(entry, kind)}>'
            f'{head}<div class="body">{inside}</div></article>\n'
        )

    def _folded(self, entry: Entry, level: int, kind: str, label: str, inside: str) -> str:
        head = self._head(entry, level, label)
        return (
            f'<article class="entry {kind}" id="fact-{entry.seq}"><details><summary>{head}</summary>'
            f'<div class="body">{inside}</div></details></article>\n'
        )

    def _head(self, entry: Entry, level: int, label: str) -> str:
        who = f'<span class="who">{escape_html(words.who(entry))}</span> ' if entry.source else ""
        clock = f"{entry.at:%H:%M:%S}"
        return (
            f"<h{level}>{who}{escape_html(clip_line(label, 400))} "
            f'<a class="at" href="#fact-{entry.seq}" aria-label="Link to this, {clock} UTC">{clock}</a></h{level}>'
        )

    def _edge(self, entry: Entry, kind: str) -> str:
        if kind in ("fault", "refused") or not entry.source:
            return ""
        return f' style="border-left-color:{hue_of(name_of(words.who(entry)), self._hues)}"'


def _gist(part: Part) -> str:
    gist = ""
    for entry in part.entries:
        if isinstance(entry, Speech) and not entry.echo and entry.text.strip():
            return clip_line(_unmarked(entry.text), 60)
        if isinstance(entry, Asked):
            return clip_line(words.replied(entry), 60)
        if isinstance(entry, CodeRun):
            gist = "runs code" if entry.accepted or not entry.finished else "code failed"
    return gist


def _unmarked(text: str) -> str:
    """Return what Markdown says, without its marks; of code the code itself."""
    text = _LEADS.sub("", _FENCES.sub("", text))
    return _SPANS.sub(r"\2", text).strip() or text.strip()


def _prose(text: str, style: str, level: int) -> str:
    match style:
        case "markdown":
            # Below the heading of its own entry, so that the outline stays the document's.
            return _HEADING.sub(lambda m: f"<{m[1]}h{min(6, int(m[2]) + level)}", markdown_html(text))
        case "json":
            return _pre(text)
    return f'<div class="plain">{escape_html(text)}</div>'


def _pre(text: str, *, output: bool = False) -> str:
    long = text.count("\n") >= LONG or len(text) > 10_000
    kind = " ".join(filter(None, ["output" if output else "", "long" if long else ""]))
    within = f' class="{kind}"' if kind else ""
    reach = ' tabindex="0" role="region" aria-label="Long text"' if long else ""
    return f"<pre{within}{reach}>{escape_html(text)}</pre>"


def _table(markup: str) -> str:
    markup = _HEADING.sub(lambda m: f"<{m[1]}h6", markup)
    return f'<div class="table" tabindex="0" role="region" aria-label="Output as a table">{markup}</div>'


def _image(mime: str, data: str, alt: str) -> str:
    return (
        f'<figure><img src="data:{mime};base64,{escape_html(data)}" alt="{escape_html(alt)}">'
        f"<figcaption>{escape_html(alt)}</figcaption></figure>"
    )
