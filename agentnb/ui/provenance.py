"""Where a run comes from, as a small table in a cell."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from agentnb.transcripts.provenance import Provenance
from agentnb.transcripts.provenance import provenance as read
from agentnb.ui.formulas import PLAIN_CLASS
from agentnb.ui.markup import escape_html, plain_text
from agentnb.ui.outputs import clip

_CELL = "padding:2px 16px 2px 0; text-align:left; vertical-align:top; border:none; white-space:normal"
_CELL += "; overflow-wrap:anywhere; font-weight:400"
_ROW = "background-color:transparent"


class DrawnProvenance(Provenance):
    """Where a run comes from; a cell that ends with it shows it."""

    __slots__ = ()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return provenance_bundle(self)


def provenance(log: Any) -> DrawnProvenance:
    """Return where a run comes from; a cell that ends with the result shows it.

    ```python
    print(provenance(log).methods())
    ```

    Arguments and errors are those of `agentnb.transcripts.provenance`.
    """
    made = read(log)
    return DrawnProvenance(**{one.name: getattr(made, one.name) for one in fields(made)})


def provenance_bundle(made: Provenance) -> dict[str, Any]:
    """Return it as a mime bundle: a table, and the paragraph for a methods section."""
    before = ""
    rows = []
    for what, value in made.rows():
        head = "" if what == before else escape_html(what)
        rows.append(
            f'<tr style="{_ROW}"><th scope="row" style="{_CELL}; color:#808080; white-space:nowrap">{head}</th>'
            f'<td style="{_CELL}">{escape_html(clip(value, 1000))}</td></tr>'
        )
        before = what
    html = (
        f'<div class="{PLAIN_CLASS}" style="border:1px solid rgba(128,128,128,0.35); border-radius:6px; '
        f'padding:8px 14px; margin:2px; max-width:960px; line-height:1.5"><div style="font-weight:600">Provenance</div>'
        f'<table style="border-collapse:collapse; border:none; margin:4px 0; font-size:0.93em">{"".join(rows)}</table>'
        f'<details><summary style="cursor:pointer; color:#808080">A paragraph for a methods section</summary>'
        f'<div style="margin:4px 0">{escape_html(made.methods())}</div></details></div>'
    )
    return {"text/html": html, "text/markdown": made.to_markdown(), "text/plain": plain_text(str(made))}
