"""From facts to what a transcript shows: a reducer whose steps are the ops that widgets/PROTOCOL.md describes.

The same facts give the same items, live or read from a file. What is only fanned out (streamed text, output of code
that still runs) shows early what a later fact says for good.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from agentnb.core import EventId, now
from agentnb.messages import (
    BaseChatMessage,
    BaseMessage,
    CodeExecutionEvent,
    CodeGenerationEvent,
    MemoryQueryEvent,
    ModelClientStreamingChunkEvent,
    SelectorEvent,
    ThoughtEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
)
from agentnb.runlog import Event, OutputChunk, Said
from agentnb.ui.course import Course
from agentnb.ui.markup import code_text, plain_text
from agentnb.ui.ops import Op, Question
from agentnb.ui.outputs import TEXT_CHARACTERS, clip, clip_line, error_line, error_of, parts_of, text_part
from agentnb.ui.said import chat_item

LONG_LINES = 15
"""A failure's output of more lines is folded."""


class ItemFold(Course):
    """What a transcript shows after the facts fed so far.

    ```python
    fold = ItemFold()
    for event in log:
        fold.feed(event)
    fold.items
    ```

    Attributes:
        n: Number of the last op; ops are counted from 1 without a gap.
        status: The run's state, turns, tokens, seconds, model, team, why it ended, whether it is held; see `Course`.
        question: What a person is asked now, None if nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self._opening: dict[str, bool] = {}
        self._asking: dict[str, str] = {}
        self._streams: dict[str, str] = {}
        self._ran: set[str | None] = set()
        self._code_parents: dict[str, str | None] = {}
        self._tool_calls: set[str] = set()
        self._questions: dict[str, Question] = {}
        self._elsewhere: dict[str, Question] = {}
        self._answers: dict[str, str] = {}
        self._said: list[str] = []
        self._last_error: tuple[str, str] | None = None
        self._failed = ""
        self._steps: dict[str, Callable[[Event, Any], None]] = {
            "run.started": self._run_started,
            "run.finished": self._run_finished,
            "branch": self._branch,
            "retracted": self._retracted,
            "turn.started": self._turn_started,
            "turn.finished": self._turn_finished,
            "message": self._message,
            "model.started": self._model_started,
            "model.finished": self._model_finished,
            "tool.started": self._tool_started,
            "tool.finished": self._tool_finished,
            "code.started": self._code_started,
            "code.finished": self._code_finished,
            "variables": self._variables,
            "input.requested": self._input_requested,
            "input.answered": self._input_answered,
            "note": self._note,
            "error": self._error,
        }

    @property
    def question(self) -> Question | None:
        """The oldest question that waits for a person; None if none does."""
        return next(iter(self._questions.values()), None)

    def feed(self, item: Any) -> list[Op]:
        """Take a fact or a fanned-out piece, and return what it changes; anything unknown changes nothing."""
        if isinstance(item, Event):
            step = self._steps.get(item.kind)
            self._pass(item)
            if step is not None:
                step(item, item.body)
            self._tell_hold(item)
            self._last = item.at
        elif isinstance(item, ModelClientStreamingChunkEvent):
            self._chunk(item)
        elif isinstance(item, OutputChunk):
            self._output_chunk(item)
        return self._take_ops()

    def _tell(self, event: Event, **fields: Any) -> None:
        if self.status["state"] in ("running", "waiting") and "state" not in fields:
            fields["state"] = "waiting" if self._questions else "running"
        super()._tell(event, **fields)

    # Runs and turns

    def _run_started(self, event: Event, body: Any) -> None:
        self._opening[event.id] = True
        if event.parent is None:
            self._last_error = None
        super()._run_started(event, body)

    def _cut_short(self) -> None:
        for key in [*self._asking.values(), *self._streams.values()]:
            self._drop(key)
        self._asking.clear()
        self._streams.clear()
        self._withdraw(tuple(self._questions))

    def _turn_started(self, event: Event, body: Any) -> None:
        self._opening[event.parent or ""] = False
        if body.again is not None and self._turn_ids.get(body.again) in self._ran:
            self._ran.add(event.id)  # the code that ran in it is shown already
        super()._turn_started(event, body)

    def _turn_finished(self, event: Event, body: Any) -> None:
        # Streamed text that no message claimed was no answer: a call's arguments, or a form to be filled in.
        self._drop(self._streams.pop(body.agent, None))
        self._failed = body.agent if body.outcome == "failed" else ""
        withdrawn = [key for key, question in self._questions.items() if question.get("source") == event.source]
        if withdrawn:
            self._withdraw(withdrawn)
            self._tell(event)

    # Messages

    def _chunk(self, chunk: ModelClientStreamingChunkEvent) -> None:
        key = chunk.full_message_id or f"stream:{chunk.source}"
        item = self._items.get(key)
        if item is None:
            self._stop_asking(chunk.source)
            self._drop(self._streams.get(chunk.source))
            self._streams[chunk.source] = key
            self._add(
                key, "message", chunk.created_at, source=chunk.source, text=plain_text(chunk.content), streaming=True
            )
        elif item.get("streaming"):
            self._append(key, plain_text(chunk.content))

    def _message(self, event: Event, body: Any) -> None:
        message: Any = body.message
        if isinstance(message, BaseChatMessage):
            self._chat(event, message)
            return
        match message:
            case ThoughtEvent() | CodeGenerationEvent():
                self._unstream(message.source, message.content)
                label = "thought"
                if isinstance(message, CodeGenerationEvent):
                    edited = message.metadata.get("edited")
                    label = f"code changed before it ran · {edited}" if edited else "writes code"
                self._fold(event, message.source, label, message.content, format="markdown")
            case ToolCallRequestEvent():
                self._drop(self._streams.pop(message.source, None))
            case ToolCallExecutionEvent():
                for result in message.content:
                    if result.call_id not in self._tool_calls:
                        label = f"{result.name} · failed" if result.is_error else result.name
                        self._fold(event, message.source, label, result.content, suffix=f".{result.call_id}")
            case CodeExecutionEvent():
                if event.parent not in self._ran:
                    label = f"exit code {message.result.exit_code}" if message.result.exit_code else "output"
                    self._fold(event, message.source, label, message.result.output)
            case MemoryQueryEvent():
                text = "\n".join(str(memory.content) for memory in message.content)
                self._fold(event, message.source, "memory", text)
            case SelectorEvent():
                self._fold(event, message.source, "chooses the next speaker", message.content)

    def _fold(self, event: Event, source: str, label: str, text: str, *, suffix: str = "", **fields: Any) -> None:
        text = clip(plain_text(text), TEXT_CHARACTERS)
        self._add(
            f"{self._id(event.id)}{suffix}",
            "event",
            event.at,
            open=False,
            source=source,
            label=label,
            text=text,
            **fields,
        )

    def _chat(self, event: Event, message: Any) -> None:
        stream = self._streams.pop(message.source, None)
        known = self._items.get(message.id)
        key = message.id
        if known is not None and not known.get("streaming"):
            if event.parent != self._run and event.parent in self._opening:
                return  # handed on to a team within the team
            key = f"{message.id}.{self._id(event.id)[1:]}"
        if stream != key:
            self._drop(stream)
        self._stop_asking(message.source)
        item = chat_item(message)
        label = [item.pop("label")]
        # A plan that the team's manager announces comes before the first turn as well, but from itself.
        if self._opening.get(event.parent or "") and event.source != message.source:
            item |= {"kind": "task", "format": "plain"}
        if message.metadata.get("kind") == "data":
            item |= {"kind": "event", "format": "code", "open": False}
            label.insert(0, "describes the data to the team")
        elif message.metadata.get("code_output") and event.parent in self._ran:
            item |= {"kind": "event", "format": "plain", "open": False}
            label.insert(0, "what the others read")
        answer = self._items.get(self._answers.pop(message.source, ""))
        if answer is not None and answer.get("text") == item["text"]:
            item |= {"format": "plain", "detail": answer.get("detail", "")}
            label.insert(0, "answered")
            self._drop(answer["id"])
        item["label"] = " · ".join(filter(None, label))
        self._said = [*self._said[-2:], item.get("text", "")]
        if key in self._items:
            self._seqs[key] = event.seq
            self._set(key, streaming=False, **item)
        else:
            self._add(key, at=message.created_at, **item)

    def _unstream(self, source: str, text: str) -> None:
        key = self._streams.get(source)
        if key is not None and self._items[key].get("text", "").strip() == plain_text(text).strip():
            self._drop(self._streams.pop(source))

    # Models

    def _model_started(self, event: Event, body: Any) -> None:
        if any(self._items[key].get("source") == event.source for key in self._asking.values()):
            return  # a client that asks through another
        key = self._id(event.id)
        self._asking[event.id] = key
        self._add(key, "note", event.at, source=event.source, text=f"asking {plain_text(body.model) or 'the model'}…")

    def _stop_asking(self, source: str) -> None:
        for asked, key in list(self._asking.items()):
            if self._items[key].get("source") == source:
                del self._asking[asked]
                self._drop(key)

    def _model_finished(self, event: Event, body: Any) -> None:
        self._drop(self._asking.pop(event.parent or "", None))
        if body.error and body.partial:
            self._drop(self._streams.pop(event.source, None))
            text = clip(plain_text(body.partial), TEXT_CHARACTERS)
            self._add(
                self._id(event.id),
                "message",
                event.at,
                source=event.source,
                label="cut short",
                text=text,
                format="plain",
            )
        if event.usage is not None:
            spent = (event.usage.prompt_tokens or 0) + (event.usage.completion_tokens or 0)
            self._tell(event, tokens=(self.status["tokens"] or 0) + spent)

    # Tools

    def _tool_started(self, event: Event, body: Any) -> None:
        self._add(
            self._id(event.id),
            "event",
            event.at,
            open=False,
            source=event.source,
            label=f"{plain_text(body.tool)} …",
            text=clip(plain_text(_dumped(body.arguments)), TEXT_CHARACTERS),
            format="code",
            language="json",
        )

    def _tool_finished(self, event: Event, body: Any) -> None:
        if body.call_id:
            self._tool_calls.add(body.call_id)
        label = [plain_text(body.tool), "failed" if body.is_error else "", _took(event)]
        self._set(self._id(event.parent), label=" · ".join(filter(None, label)), parts=[text_part(body.result)])

    # Code

    def _code_started(self, event: Event, body: Any) -> None:
        self._code_parents[event.id] = event.parent
        code = "\n\n".join(block.code.rstrip("\n") for block in body.blocks)
        language = body.blocks[0].language if body.blocks else ""
        # The message just above usually holds the code already: once is enough to read.
        above = any(all(block.code.strip() in text for block in body.blocks) for text in self._said) and bool(code)
        self._add(
            self._id(event.id),
            "code",
            event.at,
            open=not above,
            source=event.source,
            label="runs the code above" if above else "",
            text=clip(code_text(code), TEXT_CHARACTERS),
            format="code",
            language=plain_text(language),
        )

    def _output_chunk(self, chunk: OutputChunk) -> None:
        key = f"{self._id(chunk.code)}.out"
        code = self._items.get(self._id(chunk.code))
        if code is None:
            return
        item = self._items.get(key)
        if item is None:
            at = datetime.fromisoformat(code["at"])
            self._add(key, "output", at, source=code.get("source", ""), format="plain", streaming=True)
            item = self._items[key]
        if not item.get("streaming"):
            return
        parts = parts_of([chunk.data])
        if chunk.data.get("clear_output"):
            self._set(key, text="", parts=[])
        elif parts and parts[0]["mime"] != "text/plain":
            self._set(key, parts=[*item.get("parts", ()), *parts])
        elif "text/plain" in chunk.data and len(item.get("text", "")) < TEXT_CHARACTERS:
            self._append(key, plain_text(str(chunk.data["text/plain"])))

    def _code_finished(self, event: Event, body: Any) -> None:
        self._ran.add(self._code_parents.get(event.parent or ""))
        failed = bool(body.error or body.exit_code)
        parts = parts_of(body.outputs)
        if not parts and body.output.strip():
            parts = [text_part(body.output)]
        words = "\n".join(part["data"] for part in parts if part["mime"] == "text/plain")
        problem = ""
        if failed:
            problem = plain_text(body.error) if body.error else _named_error(body.outputs) or error_line(words)
        label = [
            f"exit code {body.exit_code}" if body.exit_code else "failed" if failed else "",
            "" if parts or problem else "no output",
            _took(event),
        ]
        folded = failed and words.count("\n") >= LONG_LINES
        if folded and problem:
            label.insert(0, clip_line(problem, 120))
        fields: dict[str, Any] = {
            "label": " · ".join(filter(None, label)),
            "text": "" if problem == words.strip() else problem,
            "parts": list(parts),
            "streaming": False,
            "open": not folded,
        }
        key = f"{self._id(event.parent)}.out"
        if key in self._items:
            self._set(key, **fields)
        else:
            self._add(key, "output", event.at, source=event.source, format="plain", **fields)

    def _variables(self, event: Event, body: Any) -> None:
        names = ", ".join(map(plain_text, body.names))
        self._fold(event, event.source, f"{names} handed over", body.summary)

    # A person

    def _input_requested(self, event: Event, body: Any) -> None:
        question: Question = {"id": body.input_id, "source": event.source, "prompt": code_text(body.prompt)}
        if body.choices:
            question["choices"] = [plain_text(choice) for choice in body.choices]
        if body.by:
            self._elsewhere[body.input_id] = question  # nobody who looks at the log is asked
            self._tell(event)
            return
        if body.suggestion:
            question["suggestion"] = code_text(body.suggestion)
        self._questions[body.input_id] = question
        if self.question is question:
            self._op("ask", question=dict(question))
        self._tell(event)

    def _input_answered(self, event: Event, body: Any) -> None:
        question = self._questions.pop(body.input_id, None) or self._elsewhere.pop(body.input_id, None)
        self._op("answered", id=body.input_id, text=plain_text(body.text), by=body.by)
        self._ask_next()
        source = (question or {}).get("source", "") or event.source
        prompt = (question or {}).get("prompt", "")
        text = plain_text(body.text)
        key = self._id(event.id)
        self._answers[source] = key
        self._add(
            key,
            "event",
            event.at,
            source=source,
            label=" · ".join(filter(None, [clip_line(prompt, 120).rstrip(" :"), "answered"])),
            text=text,
            open="```" not in text,
            format="markdown" if "```" in text else "plain",
            detail=prompt,
        )
        self._tell(event)

    def _withdraw(self, keys: Iterable[str]) -> None:
        for key in keys:
            del self._questions[key]
            self._op("answered", id=key, text="", by="")
        self._ask_next()

    def _ask_next(self) -> None:
        if self.question is not None:
            self._op("ask", question=dict(self.question))

    # Remarks and errors

    def _note(self, event: Event, body: Any) -> None:
        by = "" if body.by == "agentnb" else plain_text(body.by)
        self._add(self._id(event.id), "note", event.at, source=by, text=plain_text(body.text), format="plain")

    def _error(self, event: Event, body: Any) -> None:
        if self._last_error == (body.type, body.message):
            return  # told again by the run round the one that failed
        self._last_error = (body.type, body.message)
        text = plain_text(body.message)
        self._add(
            self._id(event.id),
            "error",
            event.at,
            # What broke a run off is told by the run, and it was somebody's turn.
            source=event.source or self._failed,
            label=plain_text(body.type),
            text=text,
            format="plain",
        )
        if body.traceback:
            self._fold(event, "", "traceback", body.traceback, suffix=".trace", format="code")


def fold_items(facts: Iterable[Event]) -> ItemFold:
    """Return the fold of a log's facts."""
    fold = ItemFold()
    for event in facts:
        fold.feed(event)
    return fold


def fold_messages(messages: Iterable[BaseMessage]) -> ItemFold:
    """Return the fold of messages that come without a log."""
    fold = ItemFold()
    for seq, message in enumerate(messages, start=1):
        at = getattr(message, "created_at", None) or now()
        fold.feed(Event(id=EventId(f"messages:{seq}"), seq=seq, at=_aware(at), body=Said(message=message)))
    return fold


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _took(event: Event) -> str:
    return f"{event.took:.1f} s" if event.took is not None and event.took >= 0.05 else ""


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str) if value else ""


def _named_error(outputs: Iterable[Any]) -> str:
    for bundle in outputs:
        error = error_of(bundle)
        if error is not None:
            return plain_text(f"{error['ename']}: {error.get('evalue', '')}")
    return ""
