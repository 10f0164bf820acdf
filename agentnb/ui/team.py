"""Pictures of a team: who had the word after whom, or the way a run took through a graph; drawn from its log."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from agentnb.exceptions import UserError
from agentnb.messages import BaseChatMessage
from agentnb.runlog import Event, RunLog, RunStarted, Said, SpeakerChosen, TurnFinished, TurnStarted, logs_of
from agentnb.runlog.given import Logs
from agentnb.ui import strokes
from agentnb.ui.actors import OUTSIDE, Link, Node, plain_table
from agentnb.ui.cards import Rect, card
from agentnb.ui.graph import Drawing, Entry, arrow, graph_svg
from agentnb.ui.markup import escape_html, plain_text
from agentnb.ui.page import hue_of
from agentnb.ui.picture import picture_html, rows_html
from agentnb.ui.strokes import FAILED, INK, LINE, SOFT

Edge = Mapping[str, Any]
"""As `DiGraph.edges()` gives: `source`, `target`, and if there is one `condition`; `function` tells whether it is the
name of a function, `activation` whether the target waits for "all" such edges or "any"."""
Took = Literal["yes", "perhaps", "no"]

TAKEN = "#2f7fd0"
SHOWN = 6
"""Rounds named on a card; of more the first ones and how many there are."""


@dataclass(slots=True)
class Way(Link):
    """All that went one way between two who speak."""

    label: str = ""
    took: Took = "yes"
    rules: Counter[str] = field(default_factory=Counter)
    """What decided, how often."""


@dataclass(slots=True)
class _Round:
    names: tuple[str, ...]
    rule: str
    answers: dict[str, str] = field(default_factory=dict)
    """What each said last, as a model reads it; only of those who finished."""
    failed: set[str] = field(default_factory=set)

    @property
    def complete(self) -> bool:
        """Whether all have spoken; else none of their answers leads on."""
        return len(self.answers) == len(set(self.names))


@dataclass(frozen=True, slots=True)
class TeamPicture:
    """A picture's contents; nodes in the order they are drawn."""

    nodes: tuple[Node, ...]
    links: tuple[Way, ...]
    title: str
    remark: str = ""
    hues: Mapping[str, str] = field(default_factory=dict)
    """Colours by name."""

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return one row per way: from, to, on what condition or by which rule, how often."""
        often = {"no": "not taken", "perhaps": "perhaps taken"}
        return [
            (
                _called(link.source),
                link.target,
                link.label or ", ".join(link.rules),
                often.get(link.took) or f"×{link.count}",
            )
            for link in self.links
        ]

    def facts(self) -> list[str]:
        """Return what the picture shows as sentences without full stop."""
        ways = [
            " ".join(filter(None, (a, "→", b, f"({what})" if what else "", often))) for a, b, what, often in self.rows()
        ]
        spoke = [f"{node.type}: {node.below}" for node in self.nodes if node.kind == "agent"]
        return [*spoke, *ways, *([self.remark] if self.remark else [])]


def _called(name: str) -> str:
    return "task" if name == OUTSIDE else name


def team_picture(logs: Logs, *, edges: Sequence[Edge] | None = None) -> TeamPicture:
    """Read a picture's contents; arguments and errors as for `show_team`."""
    several = logs_of(logs, "show_team")
    names: dict[str, None] = {}
    runs: list[list[_Round]] = []
    for log in several:
        told, rounds = _read(log)
        names.update(dict.fromkeys(told))
        runs.append(rounds)
    for edge in edges or ():
        for end in ("source", "target"):
            if not isinstance(edge, Mapping) or not isinstance(edge.get(end), str):
                raise UserError(f"The edge {edge!r} has no {end!r}; give the edges as DiGraph.edges() does.")
            names.setdefault(edge[end])
    rounds = [round for run in runs for round in run]
    hues: dict[str, str] = {}
    spoke = {name for round in rounds for name in round.names}
    for name in names:
        hue_of(name, hues)
    hues.update((name, LINE) for name in names if name not in spoke)
    if edges is None:
        links = _followed(runs)
        order = [*dict.fromkeys(name for round in rounds for name in round.names), *names]
        nodes = [Node(OUTSIDE, "outside", "task")] if links else []
    else:
        links = _through(edges, rounds)
        order = _downstream(list(names), [(edge["source"], edge["target"]) for edge in edges])
        nodes = []
    waits = _waits(edges or ())
    nodes += [_node(name, rounds, waits.get(name, "")) for name in dict.fromkeys(order)]
    turns = sum(len(round.names) for round in rounds)
    title = f"{_many(len(names), 'agent')}, {_many(len(rounds), 'round')}" + (
        f", {_many(turns, 'turn')}" if turns != len(rounds) else ""
    )
    doubt = any(link.took == "perhaps" for link in links)
    return TeamPicture(
        tuple(nodes),
        tuple(links),
        title + (f" in {len(runs)} runs" if len(runs) > 1 else ""),
        "? a function decides, and the log does not tell what it said" if doubt else "",
        hues,
    )


def _many(count: int, one: str) -> str:
    return f"{count} {one}" + ("" if count == 1 else "s")


def _read(log: RunLog) -> tuple[list[str], list[_Round]]:
    """Return participants and rounds of the outermost runs of a log; runs within their turns are left out."""
    names: list[str] = []
    rounds: list[_Round] = []
    roots: set[str] = set()
    turns: dict[str, tuple[_Round, str]] = {}
    last: dict[str, str] = {}
    for event in log:
        body, parent = event.body, event.parent
        if isinstance(body, RunStarted) and parent is None:
            roots.add(event.id)
            names += [participant.name for participant in body.participants]
        elif parent in roots and isinstance(body, SpeakerChosen):
            rounds.append(_Round(body.names, body.rule or ""))
        elif parent in roots and isinstance(body, TurnStarted) and rounds:
            turns[event.id] = rounds[-1], body.agent
        elif parent in turns:
            _hear(event, turns, last)
    return names, rounds


def _hear(event: Event, turns: Mapping[str, tuple[_Round, str]], last: dict[str, str]) -> None:
    turn = str(event.parent)
    round, name = turns[turn]
    if isinstance(event.body, Said):
        message = event.body.message
        last[turn] = message.to_model_text() if isinstance(message, BaseChatMessage) else ""
    elif isinstance(event.body, TurnFinished):
        if event.body.outcome == "done":
            round.answers[name] = last.get(turn, "")
        else:
            round.failed.add(name)


def _followed(runs: Sequence[Sequence[_Round]]) -> list[Way]:
    """Return who spoke after whom; a run begins with its task."""
    ways: dict[tuple[str, str], Way] = {}
    for rounds in runs:
        before: tuple[str, ...] = (OUTSIDE,)
        for round in rounds:
            for source in before:
                for target in round.names:
                    way = ways.setdefault((source, target), Way(source, target, "send"))
                    way.count += 1
                    if round.rule:
                        way.rules[round.rule] += 1
            before = round.names
    return list(ways.values())


def _through(edges: Sequence[Edge], rounds: Sequence[_Round]) -> list[Way]:
    """Return the edges with how often each was taken, as far as the log can tell."""
    links = []
    for edge in edges:
        took = Counter(_took(edge, edges, rounds, at) for at in range(len(rounds)))
        told: Took = "yes" if took["yes"] else "perhaps" if took["perhaps"] else "no"
        count = took[told] if told != "no" else 0
        links.append(Way(edge["source"], edge["target"], "send", count, label=_condition(edge), took=told))
    return links


def _took(edge: Edge, edges: Sequence[Edge], rounds: Sequence[_Round], at: int) -> Took:
    source, target = edge["source"], edge["target"]
    if source not in rounds[at].answers or not rounds[at].complete:
        return "no"
    if not edge.get("function"):
        return "yes" if (edge.get("condition") or "") in rounds[at].answers[source] else "no"
    # What a function said is no fact of its own: it is seen from who ran next.
    if at + 1 == len(rounds):
        return "perhaps"
    into = [other for other in edges if other["target"] == target and other is not edge]
    waits = edge.get("activation") != "any" and bool(into)
    ran = (n for n in range(at + 1, len(rounds)) if target in rounds[n].names or not waits)
    then = next(ran, None)
    if then is None or target not in rounds[then].names or rounds[then].rule == "start":
        return "no"
    if any(source in rounds[n].answers for n in range(at + 1, then)):
        return "no"  # which of its answers led there is not known: the last one stands for them
    since = max((n for n in range(then) if target in rounds[n].names), default=0)
    reasons = ((other, n) for other in into for n in range(since, then) if other["source"] in rounds[n].answers)
    doubtful = any(other.get("function") or _took(other, edges, rounds, n) == "yes" for other, n in reasons)
    return "perhaps" if doubtful else "yes"


def _condition(edge: Edge) -> str:
    condition = str(edge.get("condition") or "")
    if not edge.get("function"):
        return f"“{condition}”" if condition else ""
    name = condition.rpartition(".")[2]
    return f"{name}()" if name.isidentifier() else "a function"


def _waits(edges: Iterable[Edge]) -> dict[str, str]:
    """Return how those nodes wait that several edges lead to."""
    into: dict[str, list[str]] = {}
    for edge in edges:
        into.setdefault(edge["target"], []).append(str(edge.get("activation") or "all"))
    return {name: f"waits for {kinds[0]}" for name, kinds in into.items() if len(kinds) > 1 and len(set(kinds)) == 1}


def _downstream(names: Sequence[str], pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Return nodes so that sources stand before their targets; a cycle begins where it is entered first."""
    before: dict[str, set[str]] = {name: set() for name in names}
    for source, target in pairs:
        before[target].add(source)
    order: dict[str, None] = {}
    left = dict.fromkeys(names)
    while left:
        free = (name for name in left if not (before[name] - {name}) & left.keys())
        entered = (name for name in left if before[name] & order.keys())
        name = next(free, None) or next(entered, None) or next(iter(left))
        order[name] = left.pop(name)
    return list(order)


def _node(name: str, rounds: Sequence[_Round], waits: str) -> Node:
    spoke = [number for number, round in enumerate(rounds, 1) if name in round.names]
    told = ", ".join(map(str, spoke[:SHOWN])) + (f" … ({len(spoke)})" if len(spoke) > SHOWN else "")
    when = f"round {told}" if len(spoke) == 1 else f"rounds {told}" if spoke else "did not speak"
    failed = sum(name in round.failed for round in rounds)
    signs = (f"broken off in {_many(failed, 'round')}",) if failed else ()
    return Node(name, "agent", name, (" · ".join(filter(None, (when, waits))),), signs)


class _TeamDrawing(Drawing):
    """Ways taken are blue and strong, others thin and dashed."""

    def card(self, node: Node, rect: Rect, hues: dict[str, str]) -> str:
        if node.kind == "outside":
            x, y, width, height = rect
            edge = strokes.box(x, y, width, height, round=4, stroke=SOFT, dash="1 3")
            middle = x + width / 2
            return (
                f"<g>{edge}{strokes.words(middle, y + height / 2 + 4, 'task', size=13, bold=True, anchor='middle')}</g>"
            )
        return card(node, rect, hues)

    def stroke(self, link: Link) -> tuple[str, float, str]:
        took = link.took if isinstance(link, Way) else "yes"
        if took == "no":
            return LINE, 1.2, "2 4"
        return TAKEN, 1.8 + min(link.count, 100) ** 0.5 * 0.2, "6 4" if took == "perhaps" else ""

    def texts(self, link: Link) -> list[tuple[str, str]]:
        if not isinstance(link, Way):
            return []
        rules = []
        for rule, count in link.rules.items():
            often = f" ×{count}" if count > 1 and len(link.rules) > 1 else ""
            rules.append((strokes.clipped(rule, 11, 150) + often, FAILED if rule in LOUD else INK))
        texts = [(strokes.clipped(link.label, 11, 150), INK)] if link.label else rules
        texts += [("?", FAILED)] if link.took == "perhaps" else []
        return texts + ([(f"×{link.count}", SOFT)] if link.count > 1 and (link.label or len(link.rules) < 2) else [])

    def legend(self) -> list[Entry]:
        took = {link.took for link in self.contents.links if isinstance(link, Way)}
        if took <= {"yes"}:
            return []
        entries: list[Entry] = [(partial(arrow, stroke=TAKEN), "taken")] if "yes" in took else []
        return entries + ([(partial(arrow, dash="2 4"), "not taken")] if "no" in took else [])


LOUD = ("fallback", "refused", "mended ledger")
"""Rules that stepped in where the usual one failed."""


def team_svg(logs: Logs, *, edges: Sequence[Edge] | None = None) -> str:
    """Return the picture of `show_team` as SVG text."""
    return graph_svg(team_picture(logs, edges=edges), _TeamDrawing)


def team_bundle(logs: Logs, *, edges: Sequence[Edge] | None = None) -> dict[str, Any]:
    """Return the picture of `show_team` in three forms.

    Returns:
        `text/html` shows the drawing as an image that carries its own data, with the same facts as a table beneath;
        `image/svg+xml` is the drawing itself, `text/plain` the facts.
    """
    picture = team_picture(logs, edges=edges)
    drawing = graph_svg(picture, _TeamDrawing)
    spoke = [(node.type, node.below, *node.signs) for node in picture.nodes if node.kind == "agent"]
    listing = rows_html(spoke) + (rows_html(picture.rows()) if picture.links else "")
    listing += f"<div>{escape_html(picture.remark)}</div>" if picture.remark else ""
    return {
        "text/html": picture_html("Team", picture.title, drawing, listing),
        "image/svg+xml": drawing,
        "text/plain": "\n".join(map(plain_text, _lines(picture))),
    }


def _lines(picture: TeamPicture) -> Iterator[str]:
    yield picture.title
    yield from (
        f"{node.type}: {', '.join((node.below, *node.signs))}" for node in picture.nodes if node.kind == "agent"
    )
    if picture.links:
        yield plain_table([("from", "to", "on", ""), *picture.rows()])
    if picture.remark:
        yield picture.remark


def show_team(logs: Logs, *, edges: Sequence[Edge] | None = None) -> None:
    """Show who spoke after whom in a team's run; without a notebook print the facts.

    ```python
    result = await team.run(task="Describe the penguins.")
    show_team(result.log)  # who spoke after whom
    show_team(result.log, edges=[{"source": "writer", "target": "critic", "condition": "READY"}])
    ```

    Rounds are counted on from log to log. Only the team itself is drawn: a team within it is one participant. An edge
    counts as taken if the answer held its text; what a function said is told by who ran next, with a question mark
    where another edge may have been the reason.

    Args:
        logs: The log of a run, or what has one as its `log`; or several, of runs that went on from each other.
        edges: The edges of a graph as plain data, as `DiGraph.edges()` gives them: then these are drawn, those that
            the run took strong. Default: an arrow from each speaker to the next, with the rule that decided.

    Raises:
        ValueError: If there is no log, or an edge has no source or no target.
    """
    bundle = team_bundle(logs, edges=edges)
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython is not None else None
    if getattr(shell, "kernel", None) is None:
        print(bundle["text/plain"])
        return
    from IPython.display import display

    display(bundle, raw=True)
