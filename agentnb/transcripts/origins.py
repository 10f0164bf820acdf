"""What a run is made of: its runs, models, prompts, tools, templates, and what it took over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Answers = Literal["model", "script", "replay"]


@dataclass(frozen=True, slots=True)
class RunOrigin:
    """One run of a log: who ran when, and on what."""

    id: str
    runner: str
    runner_type: str
    participants: tuple[tuple[str, str], ...]
    """Name and class of each."""
    started_at: datetime
    took: float | None
    """Seconds; None if it is not finished."""
    outcome: str
    """"done", "stopped", "failed"; without an end "running", "broken off", or "branched": left for a branch."""
    stop_reason: str | None
    continues: str | None
    """The run whose conversation it goes on with."""
    resumed: bool
    """Whether it takes that run up where it stood, because it was broken off, stopped, failed, or was branched."""
    shared: bool
    """Whether it was taken over from another log by branching."""
    versions: Mapping[str, str]
    circumstances: Mapping[str, Any]
    component_sha256: str | None
    """Of how the team or the agent was made; None where that is not known."""


@dataclass(slots=True)
class ModelUse:
    """The calls of one model with the same options."""

    model: str
    """As it was asked for."""
    options: Mapping[str, Any]
    answers: Answers = "model"
    """Who answered: a model, a script, or a recording."""
    cassette: list[str] = field(default_factory=list)
    """The SHA-256 of each script or recording, as its client's `cassette` gives it; empty for models."""
    returned: list[str] = field(default_factory=list)
    """As the server named it."""
    fingerprints: list[str] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    calls: int = 0
    failed: int = 0
    cached: int = 0
    unfinished: int = 0


@dataclass(slots=True)
class Prompt:
    """A system message that a model was shown."""

    sha256: str
    characters: int
    agents: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ToolUse:
    """A tool that was offered to a model, or called."""

    name: str
    sha256: str | None = None
    """Of its description in the team's component; None where that is not known."""
    calls: int = 0
    failed: int = 0
    offered: bool = False
    """Whether a model was offered it, or its agent has it; models also call what does not exist."""


@dataclass(frozen=True, slots=True)
class Template:
    """A text that prompts or messages are made with."""

    where: str
    """As in `writer.system_message`."""
    sha256: str
    characters: int


@dataclass(frozen=True, slots=True)
class Branching:
    """Facts taken over from another run."""

    origin: str
    facts: int
    why: str
    messages: int = 0
    """How many messages of the origin's last run are among these facts."""
    left: str | None = None
    """That run, where it did not come to its end before."""
