"""The words that every kind of document uses for the same thing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from agentnb.transcripts.export import Asked, Chosen, CodeRun, Entry, Episode, Part, Speech, Story, ToolUse, Verdict
from agentnb.ui.markup import plain_text
from agentnb.ui.outputs import clip_line

OUTCOMES = {
    "done": "Done",
    "failed": "Failed",
    "stopped": "Stopped by a person",
    "running": "Not finished",
    "broken off": "Broken off, then taken up again",
    "cut short": "Broken off",
    "branched": "Left here for a branch",
}


def when(at: datetime) -> str:
    """Return a moment as a person reads it."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def lasted(seconds: float) -> str:
    """Return a duration with its unit."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 120 else f"{minutes} min {rest} s"


def title(story: Story) -> str:
    """Return the first line of the first task, or who ran."""
    for episode in story.episodes:
        if episode.task.strip():
            return clip_line(plain_text(episode.task), 100)
    return plain_text(next((one.runner for one in story.episodes if one.runner), "")) or "A run without a name"


def measures(story: Story) -> Iterator[tuple[str, str]]:
    """Yield what a whole log comes to, as name and value."""
    yield "Turns", f"{story.turns:,}"
    yield "Messages", f"{story.messages:,}"
    if story.calls:
        yield "Model calls", f"{story.calls:,}"
        told = story.prompt_tokens + story.completion_tokens
        least = f" (not told for {story.calls_without_usage:,} calls)" if story.calls_without_usage else ""
        split = f" ({story.prompt_tokens:,} read, {story.completion_tokens:,} written)" if told else ""
        yield "Tokens", f"{told:,}{split}{least}" if told else "not known"
        yield "Cost", cost(story)
    yield "Duration", lasted(story.seconds)


def cost(story: Story) -> str:
    """Return the money a log's calls took, in US dollars, saying what is not known."""
    if story.cost_usd is None:
        return "not known"
    missing = f" (without {story.calls_without_cost:,} calls of unknown price)" if story.calls_without_cost else ""
    return f"US$ {story.cost_usd:.4f}{missing}"


def heading(part: Part) -> str:
    """Return what a part is called."""
    if part.turn is None:
        return ""
    state = " · taken up again" if part.again else ""
    return f"Turn {part.turn} · {plain_text(part.agent)}{state}" + (f" · {replaced(part)}" if part.replaced else "")


def replaced(part: Part) -> str:
    """Return how a turn ended that is taken up again."""
    ended = part.outcome if part.outcome in ("failed", "stopped") else "broken off"
    return f"{ended}; taken up again below"


def taken_back(entry: Speech) -> str:
    """Return why a message does not count; empty for one that does."""
    if not entry.retracted:
        return ""
    return "broken off; said again below" if entry.anew else "taken back before anybody was told"


def outcome(episode: Episode) -> str:
    """Return how a run ended."""
    return OUTCOMES.get(episode.outcome, episode.outcome)


def ran(entry: CodeRun, *, follows: bool = False) -> str:
    """Return what was run, by what, and how it ended; `follows` says that the code itself stands behind it."""
    language = entry.blocks[0].language if entry.blocks else ""
    above = entry.shown_above and not follows
    pieces = ["runs the code above" if above else f"runs {plain_text(language) or 'code'}"]
    if not entry.finished:
        pieces.append("did not end")
    elif not entry.accepted:
        pieces.append(f"failed with exit code {entry.exit_code}" if entry.exit_code else "failed")
    if entry.took is not None and entry.took >= 0.05:
        pieces.append(lasted(entry.took))
    return " · ".join(pieces)


def used(entry: ToolUse) -> str:
    """Return which tool was called, and how that ended."""
    pieces = [f"calls {plain_text(entry.tool)}"]
    if entry.result is None:
        pieces.append("no result")
    elif entry.failed:
        pieces.append("failed")
    if entry.took is not None and entry.took >= 0.05:
        pieces.append(lasted(entry.took))
    return " · ".join(pieces)


def chose(entry: Chosen) -> str:
    """Return who speaks next and why, in a sentence."""
    names = ", ".join(map(plain_text, entry.names)) or "nobody"
    why = plain_text(entry.why).strip()
    rule = f" ({plain_text(entry.rule)})" if entry.rule and entry.rule.lower() not in why.lower() else ""
    return f"Next speaks {names}{f': {why}' if why else ''}{rule}".rstrip()


def chose_from(entry: Chosen) -> str:
    """Return between whom was chosen, how often a model was asked, and what it answered."""
    pieces = []
    if len(entry.candidates) > 1:
        pieces.append(f"Chosen from {', '.join(map(plain_text, entry.candidates))}.")
    if entry.attempts and entry.attempts > 1:
        pieces.append(f"The model was asked {entry.attempts} times.")
    if entry.answer and entry.answer.strip() not in entry.names:
        pieces.append(f"The model answered: {plain_text(entry.answer).strip()}")
    return " ".join(pieces)


def replied(entry: Asked) -> str:
    """Return a person's answer."""
    return "No answer came." if entry.answer is None else plain_text(entry.answer)


def judged(entry: Verdict) -> str:
    """Return a verdict in a line."""
    said = "allows" if entry.allowed else "refuses"
    act = f"{plain_text(entry.act)} of {plain_text(entry.agent)}"
    reason = f": {plain_text(entry.reason)}" if entry.reason else ""
    return f"{said} the {act} ({plain_text(entry.check)}){reason}"


def who(entry: Entry) -> str:
    """Return whose entry it is."""
    return plain_text(entry.source)


def provenance(facts: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Yield nested facts about how a run was made, as name and value."""
    for name, value in facts.items():
        label = f"{before}{plain_text(str(name)).replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield from provenance(value, f"{label}: ")
        elif value not in (None, "", [], ()):
            shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            yield label, plain_text(shown)
