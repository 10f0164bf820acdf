"""Deliveries in the order of time: a lifeline for each agent, an arrow for each message, a bar for each handler."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from agentnb.core.clock import seconds_between
from agentnb.transcripts import Delivery, DeliveryFold
from agentnb.ui import strokes
from agentnb.ui.actors import OUTSIDE, Places, label, places
from agentnb.ui.cards import card, node_size
from agentnb.ui.page import hue_of
from agentnb.ui.strokes import DROPPED, FAILED, INK, LINE, PAPER, SOFT, WAITS, Point, number, spot

LAST = 30
"""Deliveries that are drawn."""
LIFELINES = 12
"""More agents than this are put together by type."""
WAITED = 0.005
"""Seconds from which on it is said how long a message waited."""
ROW = 30.0
MARGIN = 14.0
TIMES = 66.0
"""Pixels for the times at the left."""
BAR = 10.0


_NEVER = 1 << 62


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the picture: a message on its way, or a handler's failure."""

    seq: int
    at: datetime
    delivery: Delivery
    is_end: bool = False


def sequence_rows(deliveries: list[Delivery]) -> list[_Row]:
    """Return what happened, one row per arrow and failure, in order."""
    rows = [_Row(one.event.seq, one.event.at, one) for one in deliveries]
    rows += [
        _Row(one.ended.seq, one.ended.at, one, True)
        for one in deliveries
        if one.ended is not None and one.outcome in ("failed", "stopped")
    ]
    return sorted(rows, key=lambda row: row.seq)


def sequence_svg(fold: DeliveryFold, *, last: int = LAST) -> str:
    """Return the last deliveries as SVG text."""
    return _Sequence(fold, last).svg()


def sequence_facts(fold: DeliveryFold, *, last: int = LAST) -> list[str]:
    """Return what the picture of the last deliveries shows, one line per arrow or failure."""
    return _Sequence(fold, last).facts()


class _Sequence:
    def __init__(self, fold: DeliveryFold, last: int) -> None:
        deliveries = fold.deliveries
        self.total = len(deliveries)
        first = max(len(deliveries) - last, 0)
        self.earlier, self.shown = deliveries[:first], deliveries[first:]
        self.where = places(fold, deliveries, last=last, limit=LIFELINES)
        self.rows = sequence_rows(self.shown)
        self.hues = dict(self.where.hues)
        self.columns = self._columns()
        self.top = MARGIN + 62.0
        self.bottom = self.top + ROW * len(self.rows) + 6.0
        width = max(self.columns.values(), default=TIMES + MARGIN) + self._reach() + MARGIN
        self.width = max(width, 320.0)
        self.bars = self._bars()

    def _columns(self) -> dict[str, float]:
        names = list(self.where.nodes)
        place = {name: index for index, name in enumerate(names)}
        apart = [130.0] * max(len(names) - 1, 0)
        for index in range(len(apart)):
            left, right = (node_size(self.where.nodes[name])[0] for name in names[index : index + 2])
            apart[index] = max(apart[index], (left + right) / 2 + 16)
        for one in self.shown:
            a, b = sorted((place[self._from(one)], place[self._to(one)]))
            if b == a + 1:
                apart[a] = max(apart[a], strokes.pill_size(_texts(one))[0] + 44)
        first = MARGIN + TIMES + (node_size(self.where.nodes[names[0]])[0] / 2 if names else 0.0) + 10
        return {name: first + sum(apart[:index]) for index, name in enumerate(names)}

    def _reach(self) -> float:
        """Pixels that something takes to the right of the last lifeline."""
        if not self.columns:
            return 0.0
        last = list(self.columns)[-1]
        reach = node_size(self.where.nodes[last])[0] / 2
        for row in self.rows:
            if row.is_end and self._to(row.delivery) == last:
                reach = max(reach, strokes.pill_size(_end_texts(row.delivery))[0] + 30)
            elif self._from(row.delivery) == self._to(row.delivery) == last:
                reach = max(reach, strokes.pill_size(_texts(row.delivery))[0] + 60)
        return reach

    def _from(self, one: Delivery) -> str:
        return self.where.agent(one.sender)

    def _to(self, one: Delivery) -> str:
        if one.recipient is None and one.topic is not None:
            return self._from(one)
        return self.where.agent(one.recipient)

    def _row_at(self, seq: int) -> float:
        """Return the height of the last row up to a fact."""
        passed = sum(row.seq <= seq for row in self.rows)
        return self.top + ROW * (passed - 0.5)

    def _bars(self) -> dict[int, tuple[float, float, float]]:
        """Return each handler's bar: left edge, top, bottom, by the seq of its beginning."""
        bars = {}
        busy: dict[str, list[tuple[int, int]]] = {}
        answers = {one.message_id: one.event.seq for one in self.shown if one.sort == "response"}
        since = self.rows[0].seq if self.rows else 0
        for one in [*self.earlier, *self.shown]:
            begun, end = one.event.seq, one.ended.seq if one.ended else _NEVER
            if one.sort == "response" or one.began_at is None or end < since or one.recipient not in self.where.agents:
                continue
            name = self._to(one)
            if one.sort == "send" and end != _NEVER:
                end = max(end, answers.get(one.message_id, 0))  # a bar reaches down to its answer
            top = self._row_at(begun) if begun >= since else self.top - 8
            bottom = self.bottom if end == _NEVER else max(self._row_at(end), top + 12)
            taken = {lane for until, lane in busy.get(name, []) if until > begun}
            lane = next(free for free in range(len(taken) + 1) if free not in taken)
            busy.setdefault(name, []).append((end, lane))
            bars[begun] = (self.columns[name] - BAR / 2 + min(lane, 4) * (BAR - 3), top, bottom)
        return bars

    def facts(self) -> list[str]:
        return [f"{_seconds(row, self.rows[0])} {_told(row, self.where)}" for row in self.rows]

    def svg(self) -> str:
        lines = [self._lifeline(name) for name in self.columns]
        heads = [self._head(name) for name in self.columns]
        bars = [self._bar(one) for one in [*self.earlier, *self.shown] if one.event.seq in self.bars]
        rows = [self._row(row, self.top + ROW * (index + 0.5)) for index, row in enumerate(self.rows)]
        remarks = [part for part in self.where.remark.split("; ") if part]
        if len(self.shown) < self.total:
            remarks.insert(0, f"the last {len(self.shown)} of {self.total} deliveries")
        foot, right, height = strokes.notes(MARGIN, self.bottom + 12, remarks)
        self.width = max(self.width, right + MARGIN)
        times = strokes.box(MARGIN, self.top, TIMES - 8, max(self.bottom - self.top, 20), round=8)
        title = f"{len(self.shown)} deliveries in the order of time"
        return strokes.svg(
            self.width, height + 4, title, [*self.facts(), *remarks], [times, *lines, *bars, *heads, *rows, *foot]
        )

    def _lifeline(self, name: str) -> str:
        x = self.columns[name]
        return strokes.line(
            f"M{spot((x, MARGIN + 46))}L{spot((x, self.bottom))}", stroke=self._hue(name), thick=1, dash="3 4"
        )

    def _hue(self, name: str) -> str:
        node = self.where.nodes[name]
        return hue_of(node.type, self.hues) if node.kind == "agent" else LINE

    def _head(self, name: str) -> str:
        node = self.where.nodes[name]
        width, _ = node_size(node)
        return card(node, (self.columns[name] - width / 2, MARGIN, width, 46.0), self.hues)

    def _bar(self, one: Delivery) -> str:
        left, top, bottom = self.bars[one.event.seq]
        colour = FAILED if one.outcome == "failed" else self._hue(self._to(one))
        dash = "3 3" if one.outcome in ("running", "stopped") else ""
        return strokes.box(left, top, BAR, bottom - top, fill=PAPER, stroke=colour, round=3, thick=1.6, dash=dash)

    def _row(self, row: _Row, y: float) -> str:
        time = strokes.words(MARGIN + TIMES - 14, y + 4, _seconds(row, self.rows[0]), size=10, fill=SOFT, anchor="end")
        return time + (self._end(row.delivery, y) if row.is_end else self._arrow(row.delivery, y))

    def _end(self, one: Delivery, y: float) -> str:
        texts = _end_texts(one)
        x = self.columns[self._to(one)]
        if one.event.seq in self.bars:
            x = self.bars[one.event.seq][0] + BAR / 2
        sign = strokes.cross((x, y)) if one.outcome == "failed" else strokes.bar((x, y), (0.0, 1.0))
        return sign + strokes.pill((x + 14 + strokes.pill_size(texts)[0] / 2, y), texts)

    def _arrow(self, one: Delivery, y: float) -> str:
        texts = _texts(one)
        size = strokes.pill_size(texts)[0]
        start, end = self.columns[self._from(one)], self.columns[self._to(one)]
        colour = {"failed": FAILED, "dropped": DROPPED, "waiting": WAITS, "stopped": DROPPED}.get(one.outcome, LINE)
        dash = "5 4" if one.sort == "response" else "2 3" if one.outcome == "waiting" else ""
        if self._from(one) == self._to(one):
            return self._stub(one, (start, y), texts, colour)
        way = 1.0 if end > start else -1.0
        if one.outcome == "dropped":
            tip = start + (end - start) * 0.5 + way * (size / 2 + 14)
            if (end - tip) * way < 8:
                tip = end - way * 8
            return (
                strokes.line(f"M{spot((start, y))}L{spot((tip, y))}", stroke=colour, dash=dash)
                + strokes.bar((tip, y))
                + strokes.pill(((start + end) / 2, y), texts)
            )
        bar = self.bars.get(one.event.seq)
        tip = end if bar is None else (bar[0] if way > 0 else bar[0] + BAR)
        tip -= way
        return (
            strokes.line(f"M{spot((start + way * 3, y))}L{spot((tip - way * 6, y))}", stroke=colour, dash=dash)
            + strokes.head((tip, y), (way, 0.0), fill=colour, open=one.sort == "publish")
            + strokes.pill(((start + end) / 2, y), texts)
        )

    def _stub(self, one: Delivery, at: Point, texts: list[tuple[str, str]], colour: str) -> str:
        """A message to its own sender, or to nobody."""
        x, y = at
        size = strokes.pill_size(texts)[0]
        if one.recipient is not None or one.topic is None:
            d = f"M{spot((x + 4, y - 8))}C{spot((x + 40, y - 10))} {spot((x + 40, y + 8))} {spot((x + 16, y + 6))}"
            return strokes.line(d, stroke=colour) + strokes.head((x + 10, y + 5), (-1.0, 0.0), fill=colour) + (
                strokes.pill((x + 40 + size / 2, y), texts)
            )  # fmt: skip
        way = -1.0 if x + size + 60 > self.width else 1.0
        tip = x + way * (size + 44)
        sign = strokes.bar((tip, y)) if one.outcome == "dropped" else (
            f'<circle cx="{number(tip)}" cy="{number(y)}" r="4" fill="{PAPER}" stroke="{colour}" stroke-width="1.5"/>'
        )  # fmt: skip
        return (
            strokes.line(f"M{spot((x, y))}L{spot((tip, y))}", stroke=colour)
            + sign
            + strokes.pill((x + way * (size / 2 + 24), y), texts)
        )


def _texts(one: Delivery) -> list[tuple[str, str]]:
    texts = [(strokes.clipped(one.type or "message", 11, 130), INK)]
    if one.topic is not None:
        texts.append((strokes.clipped(f"→ {one.topic}", 11, 130), SOFT))
    if one.outcome == "dropped":
        texts.append((strokes.clipped(f"dropped by {one.by}", 11, 170), DROPPED))
    elif one.outcome == "unheard":
        texts.append(("nobody hears", DROPPED))
    elif one.outcome == "waiting":
        texts.append(("waits", WAITS))
    elif one.by is not None:
        texts.append((strokes.clipped(f"changed by {one.by}", 11, 170), WAITS))
    if _waited(one):
        texts.append((_waited(one), WAITS))
    return texts


def _waited(one: Delivery) -> str:
    """Say how long a message waited for its handler, if that was long enough to be seen."""
    return f"waited {_time(one.waited)}" if one.waited is not None and one.waited >= WAITED else ""


def _end_texts(one: Delivery) -> list[tuple[str, str]]:
    if one.outcome == "stopped":
        return [("stopped", DROPPED)]
    return [(strokes.clipped(one.error or "failed", 11, 260), FAILED)]


def _seconds(row: _Row, first: _Row) -> str:
    return _time(seconds_between(first.at, row.at))


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _told(row: _Row, where: Places) -> str:
    one = row.delivery
    to = label(where.nodes[where.agent(one.recipient)]) if one.recipient is not None else "your code"
    if row.is_end:
        return f"{to} {one.outcome}" + (f": {one.error}" if one.error else "")
    sender = "your code" if where.agent(one.sender) == OUTSIDE else label(where.nodes[where.agent(one.sender)])
    if one.topic is not None:
        to = f"topic {one.topic}" + (f" for {to}" if one.recipient is not None else "")
    verb = {"send": "sends", "publish": "publishes", "response": "answers with"}[one.sort]
    changed = "" if one.by is None else f"changed by {one.by}"
    after = {"dropped": f"dropped by {one.by}", "unheard": "nobody hears", "waiting": "waits"}.get(one.outcome, changed)
    return ", ".join(filter(None, [f"{sender} {verb} {one.type or 'a message'} to {to}", after, _waited(one)]))
