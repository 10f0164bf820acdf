"""A log told as a document is read: facts become entries, each in its turn."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from agentnb.core.clock import seconds_between
from agentnb.messages import BaseChatMessage, HandoffMessage, MultiModalMessage, StopMessage, UnknownMessage
from agentnb.messages.chat import StructuredMessage
from agentnb.runlog import Event
from agentnb.runlog.scopes import name_of
from agentnb.transcripts.export import entries
from agentnb.transcripts.export.base import exported
from agentnb.transcripts.said import message_text

_FIELD = re.compile(r"\{(\w+)\}")


def tell(events: Iterable[Event], *, log_id: str = "") -> entries.Story:
    """Return a log, or facts that were made ready for it, as a story."""
    teller = _Teller(log_id)
    for event in exported(events):
        teller.hear(event)
    return teller.end()


class _Teller:
    """Builds a story, fact by fact."""

    def __init__(self, log_id: str) -> None:
        self.story = entries.Story(log_id=log_id)
        self._run: str | None = None
        self._runs: set[str] = set()
        self._part_of: dict[str, entries.Part] = {}
        self._by_id: dict[str, entries.Entry] = {}
        self._by_seq: dict[int, entries.Speech] = {}
        self._begun: dict[int, entries.Part] = {}
        self._of_turn: dict[str, entries.Part] = {}
        self._episode_number = 0
        self._offset = 0
        self._highest = 0
        self._chats: set[int] = set()
        """Messages that count."""
        self._tool_calls: set[str] = set()
        self._questions: dict[str, entries.Asked] = {}
        self._answered: dict[int, str] = {}
        self._episodes: dict[str | None, entries.Episode] = {}
        """By their outermost runs: several may go on at once."""
        self._told: set[str] = set()
        self._said: list[str] = []
        self._ran: set[str | None] = set()
        self._waiting: list[entries.Chosen] = []
        self._last_fault: tuple[str, str] | None = None
        self._last: Event | None = None
        self._before: Event | None = None
        self._steps: dict[str, Callable[[Event, Any], None]] = {
            "run.started": self._run_started,
            "run.finished": self._run_finished,
            "turn.started": self._turn_started,
            "turn.finished": self._turn_finished,
            "speaker": self._speaker,
            "message": self._message,
            "retracted": self._retracted,
            "model.finished": self._model_finished,
            "memory.finished": self._memory_finished,
            "tool.started": self._tool_started,
            "tool.finished": self._tool_finished,
            "code.started": self._code_started,
            "code.finished": self._code_finished,
            "variables": self._variables,
            "input.requested": self._input_requested,
            "input.answered": self._input_answered,
            "error": self._error,
            "verdict": self._verdict,
            "note": self._note,
            "pause": self._pause,
            "forgotten": self._forgotten,
            "branch": self._branch,
        }

    def hear(self, event: Event) -> None:
        self._before, self._last = self._last, event
        self._steps[event.kind](event, event.body)
        if event.parent in self._part_of and event.id not in self._part_of:
            self._part_of[event.id] = self._part_of[event.parent]

    def end(self) -> entries.Story:
        self._settle()
        if self._last is not None and self.story.episodes and self._episode.outcome == "running":
            self._episode.seconds = seconds_between(self._episode.began, self._last.at)
        for episode in self.story.episodes:
            episode.parts = [part for part in episode.parts if part.entries or part.turn]
        self.story.messages = len(self._chats)
        self.story.turns = sum(
            part.turn is not None and not part.again for one in self.story.episodes for part in one.parts
        )
        return self.story

    # Where an entry belongs

    @property
    def _episode(self) -> entries.Episode:
        return self.story.episodes[-1]

    def _part(self, event: Event) -> entries.Part:
        known = self._part_of.get(event.parent or "")
        if known is not None:
            return known
        if not self.story.episodes:
            self.story.episodes.append(entries.Episode(began=event.at))
        parts = self._episode.parts
        if not parts or parts[-1].turn is not None:
            parts.append(entries.Part(began=event.at))
        return parts[-1]

    def _add(self, event: Event, entry: entries.Entry) -> None:
        self._part(event).entries.append(entry)
        self._by_id[event.id] = entry

    def _settle(self) -> None:
        # Chosen were they, but the run ended before they spoke.
        for entry in self._waiting:
            self._episode.parts.append(entries.Part(began=entry.at, entries=[entry]))
        self._waiting = []

    # Runs and turns

    def _run_started(self, event: Event, body: Any) -> None:
        self._runs.add(event.id)
        if event.parent is not None:
            return
        self._settle()
        self._run = event.id
        self._told.clear()
        if self.story.episodes and self._episode.outcome == "running":
            self._episode.outcome = "broken off"
            if self._before is not None:
                self._episode.seconds = seconds_between(self._episode.began, self._before.at)
        circumstances = getattr(body, "circumstances", None) or {}
        provenance = {**circumstances, **({"versions": body.versions} if body.versions else {})}
        self.story.episodes.append(
            entries.Episode(
                began=event.at,
                runner=body.runner,
                runner_type=body.runner_type,
                model=body.model,
                participants=tuple((one.name, one.role, one.description) for one in body.participants),
                continues=body.continues or "",
                resumed=bool(getattr(body, "resumed", False)),
                provenance=provenance,
            )
        )
        self._episodes[event.id] = self._episode

    def _run_finished(self, event: Event, body: Any) -> None:
        episode = self._episodes.get(event.parent)
        if episode is None:
            return
        self._settle()
        episode.outcome, episode.reason = body.outcome, body.stop_reason or ""
        episode.seconds = event.took if event.took is not None else seconds_between(episode.began, event.at)

    def _turn_started(self, event: Event, body: Any) -> None:
        if event.parent in self._part_of:
            return  # a turn within a turn
        before = self._begun.get(body.again)
        if self._episode_number != len(self.story.episodes):
            # A run that takes up another counts its turns from 1 again; its readers go on counting.
            first = before.turn if before is not None else self._highest + 1
            resumed = bool(self.story.episodes) and self._episode.resumed
            self._offset = (first or body.turn) - body.turn if resumed else 0
            self._episode_number = len(self.story.episodes)
        number = body.turn + self._offset
        self._highest = number if self._offset == 0 else max(self._highest, number)
        part = entries.Part(turn=number, agent=body.agent, began=event.at, again=body.again is not None)
        self._begun[event.seq] = part
        if before is not None:
            before.replaced = True
        chosen = [entry for entry in self._waiting if body.agent in entry.names]
        part.entries += chosen
        self._waiting = [entry for entry in self._waiting if entry not in chosen]
        if not self.story.episodes:
            self.story.episodes.append(entries.Episode(began=event.at))
        self._episode.parts.append(part)
        self._part_of[event.id] = self._of_turn[event.id] = part

    def _turn_finished(self, event: Event, body: Any) -> None:
        part = self._part_of.get(event.parent or "")
        if part is not None and part is self._of_turn.get(event.parent or ""):
            part.took, part.outcome = event.took, body.outcome

    def _speaker(self, event: Event, body: Any) -> None:
        entry = entries.Chosen(
            **_where(event),
            names=body.names,
            why=body.why or "",
            rule=body.rule or "",
            candidates=body.candidates or (),
            answer=body.answer or "",
            attempts=body.attempts,
        )
        if event.parent in self._part_of:
            self._add(event, entry)  # a team within a team
        elif body.names:
            self._waiting.append(entry)

    # Messages

    def _message(self, event: Event, body: Any) -> None:
        message = body.message
        if isinstance(message, BaseChatMessage):
            if message.id not in self._told:
                self._told.add(message.id)
                self._chat(event, message)
            return
        where = {**_where(event), "source": message.source}
        match type(message).__name__:
            case "ThoughtEvent":
                self._add(event, entries.Aside(**where, label="thinks", text=message.content, style="markdown"))
            case "CodeGenerationEvent":
                edited = message.metadata.get("edited")
                label = f"code changed before it ran · {edited}" if edited else "writes code"
                self._add(event, entries.Aside(**where, label=label, text=message.content, style="markdown"))
                self._said.append(message.content)
            case "ToolCallExecutionEvent":
                for result in message.content:
                    if result.call_id not in self._tool_calls:
                        use = entries.ToolUse(
                            **where, tool=result.name, result=result.content, failed=bool(result.is_error)
                        )
                        self._add(event, use)
            case "CodeExecutionEvent" if event.parent not in self._ran:
                label = f"exit code {message.result.exit_code}"
                self._add(event, entries.Aside(**where, label=label, text=message.result.output))
            case "MemoryQueryEvent":
                text = "\n".join(memory.to_text() for memory in message.content)
                self._add(event, entries.Aside(**where, label="remembers", text=text))
            case "SelectorEvent":
                self._add(event, entries.Aside(**where, label="chooses the next speaker", text=message.content))

    def _chat(self, event: Event, message: Any) -> None:
        part = self._part(event)
        last = part.entries[-1] if part.entries else None
        entry = _speech(event, message)
        if (
            isinstance(last, entries.Asked)
            and last.answer == entry.text
            and name_of(last.source) in ("", message.source)
        ):
            last.source = message.source
            self._chats.add(event.seq)
            return  # what the person answered is what is said
        opening = part.turn is None and event.parent == self._run and event.source != message.source
        entry.task = opening and not any(one.turn is not None for one in self._episode.parts)
        entry.echo = bool(message.metadata.get("code_output")) and event.parent in self._ran
        part.entries.append(entry)
        self._by_seq[event.seq] = entry
        self._said.append(entry.text)
        self._chats.add(event.seq)

    def _retracted(self, event: Event, body: Any) -> None:
        entry = self._by_seq.get(body.said)
        if entry is not None:
            entry.retracted, entry.anew = True, bool(body.anew)
        self._chats.discard(body.said)

    # Models, memories, tools, code

    def _model_finished(self, event: Event, body: Any) -> None:
        story, usage = self.story, event.usage
        story.calls += 1
        if usage is None or usage.prompt_tokens is None:
            story.calls_without_usage += 1
        else:
            spent = usage.prompt_tokens, usage.completion_tokens or 0
            story.prompt_tokens += spent[0]
            story.completion_tokens += spent[1]
            self._part(event).tokens += sum(spent)
        if usage is None or usage.cost_usd is None:
            story.calls_without_cost += 1
        else:
            story.cost_usd = (story.cost_usd or 0.0) + usage.cost_usd
        if self.story.episodes and not self._episode.model:
            self._episode.model = body.model
        if body.partial:
            self._add(event, entries.Aside(**_where(event), label="answer cut short", text=body.partial))
        if body.error:
            self._add(event, entries.Fault(**_where(event), type=f"{body.model} did not answer", message=body.error))

    def _memory_finished(self, event: Event, body: Any) -> None:
        if body.error:
            self._add(
                event, entries.Fault(**_where(event), type=f"The memory {body.memory} failed", message=body.error)
            )

    def _tool_started(self, event: Event, body: Any) -> None:
        arguments = json.dumps(body.arguments, ensure_ascii=False, indent=2, default=str) if body.arguments else ""
        self._add(event, entries.ToolUse(**_where(event), tool=body.tool, arguments=arguments))

    def _tool_finished(self, event: Event, body: Any) -> None:
        if body.call_id:
            self._tool_calls.add(body.call_id)
        entry = self._by_id.get(event.parent or "")
        if isinstance(entry, entries.ToolUse):
            entry.result, entry.failed, entry.took = body.result, body.is_error, event.took

    def _code_started(self, event: Event, body: Any) -> None:
        above = bool(body.blocks) and any(
            all(block.code.strip() in text for block in body.blocks) for text in self._said[-3:]
        )
        entry = entries.CodeRun(**_where(event), executor=body.executor, blocks=body.blocks, shown_above=above)
        self._add(event, entry)
        self._ran.add(event.parent)

    def _code_finished(self, event: Event, body: Any) -> None:
        entry = self._by_id.get(event.parent or "")
        if isinstance(entry, entries.CodeRun):
            entry.finished, entry.took = True, event.took
            entry.outputs, entry.output = body.outputs, body.output
            entry.exit_code, entry.error = body.exit_code, body.error or ""

    def _variables(self, event: Event, body: Any) -> None:
        label = f"hands over {', '.join(body.names)}"
        self._add(event, entries.Aside(**_where(event), label=label, text=body.summary))

    # A person

    def _input_requested(self, event: Event, body: Any) -> None:
        entry = entries.Asked(**_where(event), prompt=body.prompt, choices=body.choices)
        self._questions[body.input_id] = entry
        self._add(event, entry)

    def _input_answered(self, event: Event, body: Any) -> None:
        entry = self._questions.get(body.input_id)
        if entry is not None:
            entry.answer, entry.by = body.text, body.by

    # Errors, verdicts, remarks

    def _error(self, event: Event, body: Any) -> None:
        if self._last_fault == (body.type, body.message):
            return  # told again by the run round the one that failed
        self._last_fault = (body.type, body.message)
        self._add(event, entries.Fault(**_where(event), type=body.type, message=body.message, traceback=body.traceback))

    def _verdict(self, event: Event, body: Any) -> None:
        where = {**_where(event), "source": body.by}
        fields = body.check, body.act, body.agent, body.allowed, body.text, body.reason
        names = "check", "act", "agent", "allowed", "text", "reason"
        self._add(event, entries.Verdict(**where, **dict(zip(names, fields, strict=True))))

    def _note(self, event: Event, body: Any) -> None:
        by = "" if body.by == "agentnb" else body.by
        self._add(event, entries.Remark(**{**_where(event), "source": by}, text=body.text))

    def _pause(self, event: Event, body: Any) -> None:
        words = {"paused": "The run was paused.", "resumed": "The run went on.", "step": "The run took one more turn."}
        self._add(event, entries.Remark(**_where(event), text=words[body.state]))

    def _forgotten(self, event: Event, body: Any) -> None:
        text = "The conversation began anew: nobody remembers what was said before."
        self._add(event, entries.Remark(**_where(event), text=text))

    def _branch(self, event: Event, body: Any) -> None:
        self.story.branched = (body.origin, body.at)
        if self.story.episodes and self._episode.outcome == "running":
            self._episode.outcome = "branched"
            # What lies between the last fact before and the branching, minutes or months, is nobody's work.
            until = self._before.at if self._before is not None else event.at
            self._episode.seconds = seconds_between(self._episode.began, until)
        text = f"Branched here: the {body.at:,} facts before are those of the log {body.origin}."
        if not self.story.episodes:
            self.story.episodes.append(entries.Episode(began=event.at))
        self._settle()
        entry = entries.Remark(**_where(event), text=text, detail=body.why)
        self._episode.parts.append(entries.Part(began=event.at, entries=[entry]))


def _where(event: Event) -> dict[str, Any]:
    return {"seq": event.seq, "at": event.at, "source": event.source}


def _speech(event: Event, message: Any) -> entries.Speech:
    entry = entries.Speech(seq=event.seq, at=message.created_at, source=message.source, text=message_text(message))
    label = [message.metadata.get("decided_by", "")]
    match message:
        case HandoffMessage():
            label.insert(0, f"hands over to {message.target}")
        case StopMessage():
            label.insert(0, "ends the conversation")
        case MultiModalMessage():
            entry.images = tuple(part.to_base64() for part in message.content if not isinstance(part, str))
            entry.text = "\n".join(part for part in message.content if isinstance(part, str))
        case StructuredMessage() if message.format_string is None:
            entry.style = "json"
            entry.text = _pretty(message.content.model_dump(mode="json"))
        case UnknownMessage():
            entry.style, entry.text = _unknown(message)
    entry.label = " · ".join(filter(None, label))
    return entry


def _unknown(message: UnknownMessage) -> tuple[str, str]:
    content, shape = message.data.get("content"), message.data.get("format_string")
    # Only plain fields are filled in: a log from elsewhere could ask for a text of any width.
    if isinstance(content, dict) and isinstance(shape, str) and set(_FIELD.findall(shape)) <= content.keys():
        return "markdown", _FIELD.sub(lambda match: str(content[match[1]]), shape)
    return ("plain", content) if isinstance(content, str) else ("json", _pretty(content or message.data))


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)
