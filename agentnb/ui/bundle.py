"""Runs, results, messages, teams and agents as mime bundles: what a notebook shows, and what its file keeps."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from agentnb.base import TaskResult, TaskRunner
from agentnb.messages import BaseMessage
from agentnb.runlog import RunLog
from agentnb.transcripts import MIME, to_record
from agentnb.ui.formulas import PLAIN_CLASS
from agentnb.ui.items import ItemFold, fold_items, fold_messages
from agentnb.ui.markup import escape_html, escape_markdown, fenced, plain_text
from agentnb.ui.ops import Item, Status
from agentnb.ui.outputs import Part, clip
from agentnb.ui.page import TEXT, measures, page, row, shortened
from agentnb.ui.picture import actors_bundle, is_of_actors
from agentnb.ui.tables import html_text

Bundle = dict[str, Any]

_WORDS = {"done": "Done", "failed": "Failed", "stopped": "Stopped", "broken off": "Broken off"}


def bundle(log: RunLog) -> Bundle:
    """Return a run's transcript in four forms.

    Returns:
        `application/vnd.agentnb.transcript.v1+json` holds the facts, from which `transcripts.from_notebook` makes the
        log again; `text/html` is a page without script or style sheet; `text/markdown` and `text/plain` are for
        readers of text. Nothing that a model wrote can act as markup in any of them. A runtime's log in which nobody
        spoke is shown as a picture of its actors.
    """
    if is_of_actors(log):
        return {MIME: to_record(log), **actors_bundle(log)}
    return {MIME: to_record(log), **_texts(fold_items(log), _ways(log))}


def result_bundle(result: TaskResult) -> Bundle:
    """Return what a run gave as a mime bundle: its log's transcript, or its messages if it has no log."""
    if result.log is not None:
        return bundle(result.log)
    fold = fold_messages(result.messages)
    fold.status |= {"state": "done", "reason": result.stop_reason or ""}
    return _texts(fold, "`result.messages` has all of them.")


def message_bundle(message: BaseMessage) -> Bundle:
    """Return one message as a mime bundle."""
    items = fold_messages([message]).items
    text = "".join(row({**item, "open": True}, {}) for item in items) or escape_html(type(message).__name__)
    plain = _plain_items(items) or type(message).__name__
    text = f'<div class="{PLAIN_CLASS}" style="overflow-wrap:break-word; text-align:start">{text}</div>'
    return {"text/html": text, "text/markdown": _markdown_items(items), "text/plain": plain}


def runner_bundle(runner: TaskRunner) -> Bundle:
    """Return a team's or an agent's card: its name, what it is good for, who takes part, its charter, and the model."""
    kind, name, model = type(runner).__name__, runner.name, runner._run_model()
    charter = f"Charter: {clip(runner._held_to(), 1000)}" if runner._held_to() else ""
    people = list(runner._run_participants())
    if len(people) == 1 and people[0].name == name:
        people = []  # an agent by itself
    cell = "padding:2px 14px 2px 0; text-align:left; vertical-align:top"
    rows = "".join(
        f'<tr><td style="{cell}; font-weight:600">{escape_html(one.name)}</td>'
        f'<td style="{cell}; color:#808080">{escape_html(one.role)}</td>'
        f'<td style="{cell}">{escape_html(clip(one.description, 300))}</td></tr>'
        for one in people
    )
    head = f'<span style="font-weight:600">{escape_html(name)}</span> &nbsp;<span style="color:#808080">' + escape_html(
        " · ".join(filter(None, [kind, model]))
    )
    html = (
        f'<div class="{PLAIN_CLASS}" style="border:1px solid rgba(128,128,128,0.35); border-radius:6px; '
        f'padding:8px 14px; margin:2px; max-width:960px; line-height:1.5"><div>{head}</span></div>'
        f"<div>{escape_html(clip(runner.description, 1000))}</div>"
        + (f'<div style="margin-top:4px; white-space:pre-wrap">{escape_html(charter)}</div>' if charter else "")
        + (f'<table style="margin-top:6px; border-collapse:collapse; font-size:0.93em">{rows}</table>' if rows else "")
        + "</div>"
    )
    width = max((len(one.name) for one in people), default=0)
    plain = [
        f"{kind} {plain_text(name)}" + (f" ({plain_text(model)})" if model else ""),
        *textwrap.wrap(plain_text(runner.description), 100),
        *(line for given in charter.splitlines() for line in textwrap.wrap(plain_text(given), 100)),
        *(f"  {one.name:{width}}  {one.role}: {one.description}" for one in people),
    ]
    markdown = [f"**{escape_markdown(name)}** {escape_markdown(kind)} {escape_markdown(model)}".rstrip()]
    markdown += [escape_markdown(text) for text in (runner.description, charter) if text]
    if people:
        markdown += [
            "\n".join(
                f"- **{escape_markdown(one.name)}** {escape_markdown(f'{one.role}: {one.description}')}"
                for one in people
            )
        ]
    return {"text/html": html, "text/markdown": "\n\n".join(markdown), "text/plain": plain_text("\n".join(plain))}


def _ways(log: RunLog) -> str:
    kept = f" The whole run is in {log.path}." if log.path else ""
    return f"See all with run.to_df().{kept}"


def _texts(fold: ItemFold, ways: str) -> Bundle:
    items = fold.items
    shown = list(shortened(items, ways))
    return {
        "text/html": page(items, fold.status, ways=ways),
        "text/markdown": "\n\n".join(filter(None, [_markdown_header(fold.status), _markdown_items(shown)])),
        "text/plain": "\n".join([plain_header(fold.status), "", _plain_items(shown)]).rstrip(),
    }


def plain_header(status: Status) -> str:
    """Return the line that says who worked, how it ended and what it took, as plain text."""
    who = " · ".join(filter(None, [status.get("team"), status.get("model")]))
    what = ", ".join([_WORDS.get(status["state"], "Not finished"), *measures(status)])
    reason = f" ({clip(status['reason'], 2000)})" if status.get("reason") else ""
    return plain_text(f"{who}: {what}{reason}" if who else f"{what}{reason}")


def _plain_items(items: Iterable[Item]) -> str:
    return "\n\n".join(filter(None, map(plain_item, items)))


def plain_item(item: Item) -> str:
    """Return an item as plain text: a header, then what it says; a folded one is only its header."""
    kind, label = item["kind"], item.get("label", "")
    text = clip(item.get("text", ""), TEXT)
    if kind == "note":
        return f"({': '.join(filter(None, [item.get('source', ''), text]))})"
    if kind == "code" and not label:
        label = f"runs {item.get('language') or 'code'}"
    title = " · ".join(filter(None, [item.get("source", ""), label])) or kind
    header = f"── {title} ──"
    if not item.get("open", True):
        return header
    if kind in ("code", "output"):
        text = textwrap.indent(text, "    ")
    parts = [textwrap.indent(part_text(part), "    ") for part in item.get("parts", ())]
    return "\n".join(filter(None, [header, text, *parts]))


def part_text(part: Part) -> str:
    """Return a part as plain text; a table's cells stand between tabs, a figure is named."""
    match part["mime"]:
        case "text/html":
            return html_text(part["data"])
        case "text/plain":
            return clip(part["data"].rstrip("\n"), TEXT)
    return f"[figure, {part['mime'].removeprefix('image/')}]"


def _markdown_header(status: Status) -> str:
    who = " · ".join(filter(None, [status.get("team"), status.get("model")]))
    what = ", ".join([_WORDS.get(status["state"], "Not finished"), *measures(status)])
    reason = f" ({clip(status['reason'], 2000)})" if status.get("reason") else ""
    return " ".join(filter(None, [f"**{escape_markdown(who)}**" if who else "", escape_markdown(what + reason)]))


def _markdown_items(items: Sequence[Item]) -> str:
    return "\n\n".join(map(_markdown_item, items))


def _markdown_item(item: Item) -> str:
    kind, text = item["kind"], clip(item.get("text", ""), TEXT)
    label = item.get("label", "")
    if kind == "note":
        return escape_markdown(f"({': '.join(filter(None, [item.get('source', ''), text]))})")
    head = " ".join(
        filter(
            None,
            [f"**{escape_markdown(item['source'])}**" if item.get("source") else "", escape_markdown(label or kind)],
        )
    )
    if not item.get("open", True):
        return head
    blocks = [fenced(text.rstrip("\n"), item.get("language", ""))] if text else []
    blocks += [fenced(part_text(part)) for part in item.get("parts", ())]
    return "\n\n".join([head, *blocks])
