"""Runs as lines of text: those of this kernel, and those saved last."""

from __future__ import annotations

import os
from collections.abc import Sequence

from agentnb.notebook.runs import runs
from agentnb.runlog import runs_folder, totals

SAVED = 10
"""How many saved runs are listed."""


def kernel_runs() -> str:
    """Return the runs of this kernel, oldest first."""
    rows = [("run", "team", "state", "messages", "tokens", "seconds", "log")]
    for run in runs():
        so_far = totals(run.log)
        tokens = so_far.prompt_tokens + so_far.completion_tokens
        where = os.path.relpath(run.log.path) if run.log.path else "in memory"
        rows.append(
            (
                str(run.number),
                run.runner.name,
                run.state,
                str(so_far.messages),
                str(tokens),
                f"{so_far.seconds:.1f}",
                where,
            )
        )
    return aligned(rows) if len(rows) > 1 else "No run in this kernel yet. `%%agentteam NAME` starts one."


def saved_runs() -> str:
    """Return the newest saved runs that are none of this kernel's; empty if there are none."""
    from agentnb.transcripts.library import summaries
    from agentnb.ui.markup import plain_text
    from agentnb.ui.outputs import clip_line

    folder = runs_folder()
    if folder is None or not folder.is_dir():
        return ""
    here = {run.log.id for run in runs()}
    found = [one for one in summaries(folder) if one.run_id and one.run_id not in here]
    if not found:
        return ""
    rows = [("id", "team", "state", "messages", "began", "task")]
    for one in found[:SAVED]:
        began = f"{one.started_at.astimezone():%Y-%m-%d %H:%M}" if one.started_at else ""
        task = clip_line(plain_text(one.task or ""), 60)
        rows.append(((one.run_id or "")[:8], one.team or "", one.outcome or "", str(one.messages or 0), began, task))
    newest = f", the newest {SAVED} of {len(found)}" if len(found) > SAVED else ""
    first = rows[1][0]
    return (
        f"Saved in {os.path.relpath(folder)}{newest}:\n{aligned(rows)}\n"
        f"`%agentteam show {first} -o run` shows one and binds it,\n"
        f"`%%agentteam NAME --resume {first}` goes on from it."
    )


def aligned(rows: Sequence[tuple[str, ...]]) -> str:
    """Return rows of texts with their columns below each other."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
