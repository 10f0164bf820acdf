"""What a document tells: a story of runs, their turns, and in each what happened, one entry a thing.

These are built fact by fact, since later facts complete earlier ones, and only read afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agentnb.messages import CodeBlock


@dataclass(kw_only=True, slots=True)
class Entry:
    """One thing that happened."""

    seq: int
    at: datetime
    source: str = ""


@dataclass(kw_only=True, slots=True)
class Speech(Entry):
    """A chat message."""

    text: str
    style: str = "markdown"
    """`markdown`, `plain` or `json`."""
    label: str = ""
    images: tuple[str, ...] = ()
    """Base64 of PNG files."""
    task: bool = False
    retracted: bool = False
    anew: bool = False
    """It was taken back because what broke off is taken up again, and says it again."""
    echo: bool = False
    """It repeats the output of code that stands above."""


@dataclass(kw_only=True, slots=True)
class Aside(Entry):
    """A thought, a memory, a hand-over of variables: what was not said to the others."""

    label: str
    text: str
    style: str = "plain"


@dataclass(kw_only=True, slots=True)
class ToolUse(Entry):
    """A tool's call with its result; `result` is None where it did not return."""

    tool: str
    arguments: str = ""
    result: str | None = None
    failed: bool = False
    took: float | None = None


@dataclass(kw_only=True, slots=True)
class CodeRun(Entry):
    """Code with what it gave; `finished` is False where it did not end."""

    executor: str
    blocks: tuple[CodeBlock, ...]
    outputs: tuple[dict[str, Any], ...] = ()
    output: str = ""
    exit_code: int | None = None
    error: str = ""
    took: float | None = None
    finished: bool = False
    shown_above: bool = False
    """A message of the same run holds the same code already."""

    @property
    def accepted(self) -> bool:
        """Whether it ran to its end without an error."""
        return self.finished and self.exit_code == 0 and not self.error


@dataclass(kw_only=True, slots=True)
class Asked(Entry):
    """A question to a person; `answer` is None where none came."""

    prompt: str
    choices: tuple[str, ...] = ()
    answer: str | None = None
    by: str = ""


@dataclass(kw_only=True, slots=True)
class Chosen(Entry):
    """Who speaks next, and why."""

    names: tuple[str, ...]
    why: str = ""
    rule: str = ""
    candidates: tuple[str, ...] = ()
    answer: str = ""
    attempts: int | None = None


@dataclass(kw_only=True, slots=True)
class Fault(Entry):
    """Something raised, or a model failed to answer."""

    type: str
    message: str
    traceback: str = ""


@dataclass(kw_only=True, slots=True)
class Verdict(Entry):
    """What a check said about an act."""

    check: str
    act: str
    agent: str
    allowed: bool
    text: str = ""
    reason: str = ""


@dataclass(kw_only=True, slots=True)
class Remark(Entry):
    """A note: a person's, the program's, or that a run was branched, paused or resumed."""

    text: str
    detail: str = ""


@dataclass(kw_only=True, slots=True)
class Part:
    """What happened in one turn; before the first turn, or after the last, `turn` is None."""

    turn: int | None = None
    """Counted from 1, on through the runs that take up one another."""
    agent: str = ""
    began: datetime | None = None
    took: float | None = None
    outcome: str = ""
    again: bool = False
    """It takes up a turn that broke off."""
    replaced: bool = False
    """It broke off, and a later part takes it up."""
    tokens: int = 0
    entries: list[Entry] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class Episode:
    """One run, from its task to its outcome."""

    began: datetime
    runner: str = ""
    runner_type: str = ""
    model: str = ""
    participants: tuple[tuple[str, str, str], ...] = ()
    """Name, role and description of each."""
    continues: str = ""
    resumed: bool = False
    outcome: str = "running"
    reason: str = ""
    seconds: float = 0.0
    provenance: dict[str, Any] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)

    @property
    def task(self) -> str:
        """The text of the first message of the task."""
        tasks = (entry for part in self.parts for entry in part.entries if isinstance(entry, Speech) and entry.task)
        return next((entry.text for entry in tasks), "")


@dataclass(kw_only=True, slots=True)
class Story:
    """A whole log.

    Attributes:
        episodes: Its runs, one after the other.
        branched: The log it was branched from and how many facts they share; None for one that was not.
    """

    log_id: str = ""
    episodes: list[Episode] = field(default_factory=list)
    branched: tuple[str, int] | None = None
    turns: int = 0
    messages: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = None
    """US dollars; None where no call's price is known."""
    calls: int = 0
    calls_without_usage: int = 0
    calls_without_cost: int = 0
    notes: list[str] = field(default_factory=list)
    """What the exporter should say of itself, such as that names were replaced."""

    @property
    def seconds(self) -> float:
        return sum(episode.seconds for episode in self.episodes)

    @property
    def entries(self) -> Iterable[Entry]:
        """Everything that happened, in the order of the document."""
        return (entry for episode in self.episodes for part in episode.parts for entry in part.entries)
