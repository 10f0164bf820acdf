"""Two runs side by side, aligned step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from agentnb.runlog import Event, RunLog, RunStarted, Totals, log_of, totals
from agentnb.transcripts.columns import Column
from agentnb.transcripts.messages import total_cost
from agentnb.transcripts.rows import frame
from agentnb.transcripts.steps import Step, steps
from agentnb.transcripts.words import common_ends, similarity, words

if TYPE_CHECKING:
    import pandas as pd

Status = Literal["same", "changed", "only left", "only right"]
STATUSES: tuple[Status, ...] = ("same", "changed", "only left", "only right")

PAIRS = 40_000
"""Pairs of steps of one stretch that are compared; of a longer stretch those near its diagonal."""
PAIRED = 0.1
"""What it is worth to set two steps of one speaker side by side that have no word in common."""
REMARKS = 5
"""Differences of the configurations that are named."""

_SIDE = (
    Column("run_id", "string", "the run's id"),
    Column("event_id", "string", "the fact that begins it"),
    Column("turn", "Int64", "the turn, from 1; missing for messages outside of turns, such as the task"),
    Column("source", "string", "who"),
    Column("text", "string", "what was said, as a person reads it"),
    Column("prompt_tokens", "Int64", "tokens its models read, those for choosing it included"),
    Column("completion_tokens", "Int64", "tokens its models wrote"),
    Column("cost_usd", "float64", "US dollars; missing if a price is not known"),
    Column("took", "float64", "seconds; missing if not over"),
)
DIFF: tuple[Column, ...] = (
    Column("status", "category", "same, changed, only left, only right", STATUSES),
    Column("is_shared", "boolean", "whether one run took it over from the other by branching"),
    Column("similarity", "float64", "share of words in common, 0 to 1; missing for what only one run has"),
    *(Column(f"{side}_{one.name}", one.dtype, f"{side}: {one.meaning}") for side in ("left", "right") for one in _SIDE),
)


class Row(NamedTuple):
    """Two steps that belong together, or one that only one run has."""

    status: Status
    left: Step | None
    right: Step | None
    similarity: float | None
    shared: bool


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs."""

    log: RunLog
    totals: Totals
    turns: int
    """Outermost ones; one that broke off and was taken up again counts once."""
    messages: int
    """Without those that were taken back."""
    cost_usd: float | None

    @property
    def name(self) -> str:
        """The team, and the beginning of the run's id."""
        return " ".join(filter(None, [self.totals.runner, self.log.id[:8]]))


@dataclass(frozen=True, slots=True)
class RunDiff:
    """What differs between two runs.

    ```python
    compared = diff(log, log.branch(message=2))
    compared.to_df()
    ```
    """

    left: Side
    right: Side
    shared_facts: int
    """How many facts at the beginning are the very same, because of a branch."""
    rows: tuple[Row, ...]
    remarks: tuple[str, ...]
    """In what the runs are unlike before anybody speaks: task, team, configuration, model, versions."""

    @property
    def same(self) -> bool:
        """Whether both said and did the same, in the same order; times and tokens may differ."""
        return all(row.status == "same" for row in self.rows)

    def to_df(self) -> pd.DataFrame:
        """Return one row per pair of steps.

        Returns:
            Shape (steps, 21), in order; the columns are those of `transcripts.DIFF`.
        """
        values = [
            (row.status, row.shared, row.similarity, *_of(self.left, row.left), *_of(self.right, row.right))
            for row in self.rows
        ]
        lists: Iterator[Any] = zip(*values, strict=True) if values else (() for _ in DIFF)
        return frame(DIFF, dict(zip((column.name for column in DIFF), lists, strict=True)))

    def counts(self) -> dict[Status, int]:
        """Return how many rows there are of each status."""
        return {status: sum(row.status == status for row in self.rows) for status in STATUSES}

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {status}" for status, count in self.counts().items() if count)
        return f"<diff of {self.left.name} and {self.right.name}: {counts or 'nothing was said'}>"


def diff(left: Any, right: Any) -> RunDiff:
    """Compare two runs, step by step: a step is a turn with all that was done in it, or a message outside of turns.

    What one run took over from the other by branching is known to be the same by the ids of its facts. The rest is
    aligned in two passes: equal steps (same speaker, words, tool calls, code, results) by `difflib.SequenceMatcher`;
    between them, steps of the same speaker so that the words in common are most, in order. Times, ids and tokens are
    not compared. Runs that are unlike are compared all the same, and `remarks` says how they are.

    Args:
        left: A log, what has one as its `log`, such as a run or a result, the path of its file, or its id.
        right: Another.

    Raises:
        UserError: If one of them is none of these.
        LogUnreadable: If a file is missing or cannot be read.
    """
    logs = log_of(left, "The left side of diff"), log_of(right, "The right side of diff")
    shared = shared_prefix(*logs)
    ours, theirs = steps(logs[0]), steps(logs[1])
    common = _wholly_shared(ours, theirs, shared)
    rows = [Row("same", a, b, 1.0, True) for a, b in zip(ours[:common], theirs[:common], strict=True)]
    rows += _aligned(ours[common:], theirs[common:])
    sides = _side(logs[0], ours), _side(logs[1], theirs)
    return RunDiff(*sides, shared, tuple(rows), tuple(_remarks(*logs, ours, theirs)))


def shared_prefix(left: RunLog, right: RunLog) -> int:
    """Return how many facts two logs have in common from their beginning, by their ids."""
    ours, theirs = left.events, right.events
    low, high = 0, min(len(ours), len(theirs))
    # A branch never comes back: if two facts at one place are the same, so are all before them.
    while low < high:
        middle = (low + high + 1) // 2
        if ours[middle - 1].id == theirs[middle - 1].id:
            low = middle
        else:
            high = middle - 1
    return low


def _side(log: RunLog, found: Sequence[Step]) -> Side:
    spent = [event.usage for event in log if event.kind == "model.finished" and event.usage is not None]
    said = sum(act.kind == "says" for step in found for act in step.acts)
    turns = sum(step.turn is not None for step in found)
    return Side(log, totals(log), turns, said, total_cost(spent) if spent else None)


def _of(side: Side, step: Step | None) -> tuple[Any, ...]:
    if step is None:
        return (None,) * len(_SIDE)
    return (
        side.log.id,
        step.event_id,
        step.turn,
        step.source,
        step.text,
        step.prompt_tokens,
        step.completion_tokens,
        step.cost_usd,
        step.took,
    )


def _wholly_shared(ours: Sequence[Step], theirs: Sequence[Step], facts: int) -> int:
    count = 0
    for one, other in zip(ours, theirs, strict=False):
        if max(one.last, other.last) > facts:
            break
        count += 1
    return count


def _aligned(ours: Sequence[Step], theirs: Sequence[Step]) -> list[Row]:
    numbers: dict[Any, int] = {}
    left = [numbers.setdefault(step.content, len(numbers)) for step in ours]
    right = [numbers.setdefault(step.content, len(numbers)) for step in theirs]
    head, tail = common_ends(left, right)
    rows = [_same(a, b) for a, b in zip(ours[:head], theirs[:head], strict=True)]
    inner = SequenceMatcher(
        None, left[head : len(left) - tail], right[head : len(right) - tail], autojunk=False
    ).get_opcodes()
    for tag, i, j, k, m in inner:
        some, others = ours[head + i : head + j], theirs[head + k : head + m]
        rows += map(_same, some, others) if tag == "equal" else _paired(some, others)
    rows += [_same(a, b) for a, b in zip(ours[len(ours) - tail :], theirs[len(theirs) - tail :], strict=True)]
    return rows


def _same(left: Step, right: Step) -> Row:
    return Row("same", left, right, 1.0, False)


def _paired(ours: Sequence[Step], theirs: Sequence[Step]) -> list[Row]:
    """Set steps of one speaker side by side so that the words in common are most (Needleman and Wunsch, 1970)."""
    rows: list[Row] = []
    done_left = done_right = 0
    texts, others = [_words(step) for step in ours], [_words(step) for step in theirs]
    for i, k in [*_pairs(ours, theirs, texts, others), (len(ours), len(theirs))]:
        rows += [Row("only left", step, None, None, False) for step in ours[done_left:i]]
        rows += [Row("only right", None, step, None, False) for step in theirs[done_right:k]]
        if i < len(ours):
            rows.append(Row("changed", ours[i], theirs[k], similarity(texts[i], others[k]), False))
        done_left, done_right = i + 1, k + 1
    return rows


def _pairs(
    ours: Sequence[Step], theirs: Sequence[Step], texts: Sequence[list[str]], others: Sequence[list[str]]
) -> list[tuple[int, int]]:
    if not ours or not theirs:
        return []
    sets, more = [frozenset(text) for text in texts], [frozenset(text) for text in others]
    width = len(theirs)
    reach = width if len(ours) * width <= PAIRS else max(8, PAIRS // (2 * max(len(ours), width)))
    best: list[dict[int, float]] = [dict.fromkeys(range(-1, width), 0.0)]
    taken: list[dict[int, bool]] = []
    for i, step in enumerate(ours):
        above, line, paired = best[-1], {-1: 0.0}, {}
        top = above[max(above)]
        diagonal = i * width // len(ours)
        first, last = max(0, diagonal - reach), min(width - 1, diagonal + reach)
        left = above.get(first - 1, top)
        line[first - 1] = left
        for k in range(first, last + 1):
            score = max(left, above.get(k, top))
            paired[k] = False
            if step.source == theirs[k].source:
                known = above.get(k - 1, top) + PAIRED + _alike(sets[i], more[k])
                if known > score:
                    score, paired[k] = known, True
            line[k] = left = score
        best.append(line)
        taken.append(paired)
    return _traced(best, taken, width)


def _traced(best: list[dict[int, float]], taken: list[dict[int, bool]], width: int) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    i, k = len(taken) - 1, width - 1
    while i >= 0 and k >= 0:
        if taken[i].get(k):
            pairs.append((i, k))
            i, k = i - 1, k - 1
        elif k not in taken[i] and k > max(taken[i]):
            k -= 1
        elif best[i].get(k, 0.0) >= best[i + 1].get(k - 1, 0.0):
            i -= 1
        else:
            k -= 1
    return pairs[::-1]


def _words(step: Step) -> list[str]:
    return [word for act in step.acts for text in (act.name, act.given, act.gave) for word in words(text)]


def _alike(left: frozenset[str], right: frozenset[str]) -> float:
    both = len(left) + len(right)
    return 2 * len(left & right) / both if both else 1.0


def _remarks(left: RunLog, right: RunLog, ours: Sequence[Step], theirs: Sequence[Step]) -> Iterator[str]:
    starts, others = _starts(left), _starts(right)
    if _tasks(ours) != _tasks(theirs):
        yield "The tasks differ."
    for side, log, runs in (("left", left, starts), ("right", right, others)):
        if not runs:
            yield f"The {side} log holds no run of a team or an agent."
        elif len(runs) > 1:
            yield f"The {side} log holds {len(runs)} runs, one going on after the other."
        if runs and totals(log).state == "running":
            yield f"The {side} run is not finished."
    if not starts or not others:
        return
    one, other = starts[-1], others[-1]
    if _team(one) != _team(other):
        yield f"The teams differ: {_team(one)} | {_team(other)}."
    if one.component and other.component:
        yield from _configured(one.component, other.component)
    models, more = _models(left), _models(right)
    if models != more:
        yield f"The models asked differ: {', '.join(models) or 'none'} | {', '.join(more) or 'none'}."
    unlike = [
        f"{name} {one.versions.get(name, 'not used')} | {other.versions.get(name, 'not used')}"
        for name in sorted({*one.versions, *other.versions})
        if one.versions.get(name) != other.versions.get(name)
    ]
    if unlike and one.versions and other.versions:
        yield f"Versions differ: {', '.join(unlike)}."
    commits = [str(((run.circumstances or {}).get("git") or {}).get("commit", ""))[:8] for run in (one, other)]
    if all(commits) and commits[0] != commits[1]:
        yield f"The code stood at different commits: {commits[0]} | {commits[1]}."


def _starts(log: RunLog) -> list[RunStarted]:
    return [event.body for event in log if _is_outer_start(event)]  # type: ignore[misc]


def _is_outer_start(event: Event) -> bool:
    return event.kind == "run.started" and event.parent is None


def _tasks(found: Sequence[Step]) -> list[tuple[str, str]]:
    first = next((place for place, step in enumerate(found) if step.turn is not None), len(found))
    return [(step.source, step.text) for step in found[:first]]


def _team(run: RunStarted) -> str:
    people = ", ".join(f"{one.name} ({one.role})" if one.role else one.name for one in run.participants)
    return f"{run.runner} ({run.runner_type}) of {people}" if people else f"{run.runner} ({run.runner_type})"


def _models(log: RunLog) -> list[str]:
    return sorted({event.body.model for event in log if event.kind == "model.started"})  # type: ignore[attr-defined]


def _configured(left: Any, right: Any) -> Iterator[str]:
    # What a model client was made with comes last: of two that differ, as in a replay, much does.
    unlike = sorted(_unlike(left, right, ""), key=lambda one: "model_client" in one.partition(":")[0])
    yield from (f"The configurations differ in {one}" for one in unlike[:REMARKS])
    if len(unlike) > REMARKS:
        more = len(unlike) - REMARKS
        yield f"The configurations differ in {more} more value{'s' * (more != 1)}."


def _unlike(left: Any, right: Any, path: str) -> Iterator[str]:
    """Yield where two configurations have different values, as `path: one | other`."""
    if left == right:
        return
    if isinstance(left, dict) and isinstance(right, dict):
        if left.get("provider") != right.get("provider"):  # components of two classes have nothing to compare
            left, right = (str(one.get("provider", "none")).rpartition(".")[2] for one in (left, right))
            yield f"{path or 'the team'}: {left} | {right}"
            return
        for key in sorted({*left, *right}):
            yield from _unlike(left.get(key), right.get(key), path if key == "config" else f"{path}.{key}".lstrip("."))
    elif (ours := _by_name(left)) is not None and (theirs := _by_name(right)) is not None:
        for name in dict.fromkeys([*ours, *theirs]):
            if name not in theirs or name not in ours:
                yield f"{path}[{name}]: only {'left' if name in ours else 'right'}"
            else:
                yield from _unlike(ours[name], theirs[name], f"{path}[{name}]")
        if list(ours) != list(theirs) and ours.keys() == theirs.keys():
            yield f"{path}, their order: {', '.join(ours)} | {', '.join(theirs)}"
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for place, pair in enumerate(zip(left, right, strict=True)):
            yield from _unlike(*pair, f"{path}[{place}]")
    else:
        yield f"{path}: {_short(left, right)} | {_short(right, left)}"


def _by_name(values: Any) -> dict[str, Any] | None:
    """Return components by their names; None if they are none, or two share one."""
    if not isinstance(values, list) or not all(isinstance(one, dict) for one in values):
        return None
    named: dict[str, Any] = {}
    for one in values:
        config = one.get("config")
        name = config.get("name") if isinstance(config, dict) else None
        if not isinstance(name, str) or name in named:
            return None
        named[name] = one
    return named


def _short(value: Any, other: Any) -> str:
    """Return a value on one short line, of a long text what is about the first difference."""
    match value:
        case None:
            return "not given"
        case list() | dict():
            return f"{len(value)} entries"
    text, beside = str(value), str(other)
    most = min(len(text), len(beside))
    place = next((at for at in range(most) if text[at] != beside[at]), most)
    begin = place - 20 if place > 40 else 0
    cut = " ".join(text[begin : begin + 60].split())
    return ("…" if begin else "") + cut + ("…" if begin + 60 < len(text) else "")
