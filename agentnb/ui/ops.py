"""The items of a transcript, and the ops that change them; widgets/PROTOCOL.md says what each holds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from agentnb.ui.markup import plain_text

# Open dicts, as they travel: a page takes what it knows of them.
Item = dict[str, Any]
Op = dict[str, Any]
Status = dict[str, Any]
Question = dict[str, Any]


class Transcript:
    """Items in the order shown; whatever changes them is also an op.

    Attributes:
        n: Number of the last op; ops are counted from 1 without a gap.
    """

    def __init__(self) -> None:
        self.n = 0
        self._items: dict[str, Item] = {}
        self._ops: list[Op] = []

    @property
    def items(self) -> list[Item]:
        """The items in the order shown; copies, which later steps do not change."""
        return [dict(item) for item in self._items.values()]

    def _take_ops(self) -> list[Op]:
        """Return the ops since the last call."""
        ops, self._ops = self._ops, []
        return ops

    def _op(self, op: str, **fields: Any) -> None:
        self.n += 1
        self._ops.append({"op": op, **fields})

    def _add(self, key: str, kind: str, at: datetime, *, open: bool = True, **fields: Any) -> None:
        fields["source"] = plain_text(fields.get("source", ""))
        item = {"id": key, "kind": kind, **{k: v for k, v in fields.items() if v}, "open": open, "at": at.isoformat()}
        self._items[key] = item
        # The transcript goes on changing its own copy; the op must say later what it says now.
        self._op("add", item=dict(item))

    def _set(self, key: str, **fields: Any) -> None:
        if key in self._items:
            self._items[key].update(fields)
            self._op("set", id=key, **fields)

    def _append(self, key: str, text: str) -> None:
        item = self._items[key]
        item["text"] = item.get("text", "") + text
        self._op("text", id=key, text=text)

    def _drop(self, key: str | None) -> None:
        if key is not None and self._items.pop(key, None) is not None:
            self._op("drop", id=key)
