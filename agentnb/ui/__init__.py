"""What a run looks like: items, safe markup, mime bundles, a console."""

from __future__ import annotations

from agentnb.ui.bundle import bundle, message_bundle, plain_header, plain_item, result_bundle, runner_bundle
from agentnb.ui.console import Console, ConsoleFollower, print_event
from agentnb.ui.diff import diff, diff_bundle
from agentnb.ui.documents import export
from agentnb.ui.inputs import UserInputManager
from agentnb.ui.items import ItemFold, fold_items, fold_messages
from agentnb.ui.markup import clean_html, escape_html, escape_markdown, fenced, markdown_html, plain_text
from agentnb.ui.picture import actors_bundle, actors_svg, show_actors
from agentnb.ui.provenance import provenance, provenance_bundle
from agentnb.ui.render import register, unregister
from agentnb.ui.team import show_team, team_bundle, team_svg

__all__ = [
    "Console",
    "ConsoleFollower",
    "ItemFold",
    "UserInputManager",
    "actors_bundle",
    "actors_svg",
    "bundle",
    "clean_html",
    "diff",
    "diff_bundle",
    "escape_html",
    "escape_markdown",
    "export",
    "fenced",
    "fold_items",
    "fold_messages",
    "markdown_html",
    "message_bundle",
    "plain_header",
    "plain_item",
    "plain_text",
    "print_event",
    "provenance",
    "provenance_bundle",
    "register",
    "result_bundle",
    "runner_bundle",
    "show_actors",
    "show_team",
    "team_bundle",
    "team_svg",
    "unregister",
]
