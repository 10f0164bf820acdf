"""A model that gives answers it was given: from a list, or from the log of a run."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple, Self

from pydantic import BaseModel

from agentnb.core import CancellationToken
from agentnb.exceptions import UserError
from agentnb.messages import (
    CreateResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    RequestUsage,
    UserMessage,
)
from agentnb.messages.llm import Prefix
from agentnb.models.base import CountingClient, ModelInfo, ToolChoice, UsageCounter
from agentnb.models.tape import Tape
from agentnb.runlog import current, log_of
from agentnb.runlog.given import Given

__all__ = ["ReplayChatCompletionClient"]

_WINDOW = 10_000
_CONVERSATIONS = 64
_PIECE = re.compile(r"\s*\S+\s*")


def word_pieces(text: str) -> list[str]:
    """Cut a text after its words; joined, the pieces are the text."""
    return _PIECE.findall(text) or ([text] if text else [])


def word_count(messages: Sequence[LLMMessage]) -> int:
    """Count the words of a conversation, which stand for tokens where no model counts them."""
    count = 0
    for message in messages:
        if isinstance(message, FunctionExecutionResultMessage):
            count += sum(len(result.content.split()) for result in message.content)
        elif isinstance(message.content, str):
            count += len(message.content.split())
        elif isinstance(message, UserMessage):
            count += sum(len(part.split()) for part in message.content if isinstance(part, str))
        else:
            count += sum(len(call.arguments.split()) for call in message.content if not isinstance(call, str))
    return count


def text_word_count(messages: Sequence[LLMMessage]) -> int:
    """Count the words of what was said as text; calls, their results and parts beside images are left out."""
    return sum(len(message.content.split()) for message in messages if isinstance(message.content, str))


class WordCounter:
    """Counts the words of conversations that grow: of each, only what is new is looked at.

    Args:
        count: What is counted.
    """

    def __init__(self, count: Callable[[Sequence[LLMMessage]], int] = word_count) -> None:
        self._count = count
        self._known: dict[int, _Counted] = {}

    def count(self, messages: Sequence[LLMMessage]) -> int:
        """Return what counting the whole conversation does."""
        if not messages:
            return 0
        key = id(messages[0])
        known = self._known.pop(key, None)
        if known is None or known.first is not messages[0]:
            known = _Counted(messages[0], Prefix(), 0)
        new = known.prefix.new(messages)
        words = (known.words if len(new) < len(messages) else 0) + self._count(new)
        self._known[key] = _Counted(messages[0], known.prefix, words)
        if len(self._known) > _CONVERSATIONS:
            del self._known[next(iter(self._known))]
        return words


class _Counted(NamedTuple):
    first: LLMMessage
    prefix: Prefix
    words: int


def cassette_of(answers: Iterable[tuple[str | None, Any]]) -> str:
    """Return the SHA-256 of prepared answers, each with who gets it: what tells one script or recording from others.

    Of a function its source counts, or its name where there is none; what it reads besides does not.
    """
    text = json.dumps([(source, _told(answer)) for source, answer in answers], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _told(answer: Any) -> Any:
    if isinstance(answer, CreateResult):
        usage = answer.usage
        return {
            "finish_reason": answer.finish_reason,
            "content": _told(answer.content),
            "thought": answer.thought,
            "cached": answer.cached,
            "usage": (usage.prompt_tokens, usage.completion_tokens),
        }
    if isinstance(answer, Exception):
        return {"error": type(answer).__qualname__, "text": str(answer)}
    if isinstance(answer, list):
        return [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in answer]
    if callable(answer):
        code = getattr(answer, "__code__", None)
        name = getattr(answer, "__qualname__", type(answer).__qualname__)
        return {"function": (_source(code) if isinstance(code, CodeType) else None) or name}
    return answer


@lru_cache(maxsize=256)
def _source(code: CodeType) -> str | None:
    try:
        return inspect.getsource(code)
    except (OSError, TypeError):
        return None


def able_to_everything() -> ModelInfo:
    """Return the description of a model that refuses no request."""
    return ModelInfo(
        vision=True,
        function_calling=True,
        json_output=True,
        family="unknown",
        structured_output=True,
        multiple_system_messages=True,
        grammar=True,
        json_schema=True,
        choices=True,
    )


class ReplayChatCompletionClient(CountingClient):
    """A model that gives prepared answers in order; needs no key and no network.

    ```python
    client = ReplayChatCompletionClient(["Hello.", "Bye."])
    client = ReplayChatCompletionClient.from_log(".agentnb/runs/20260101-120000-writers-1a2b3c4d.jsonl")
    ```

    Args:
        chat_completions: Texts or whole results. A text counts its words as tokens, and as cached; of what it
            answers, too, the words of texts count.
        model_info: What it says it can do. Default: nothing, as AutoGen's does.
        sources: Who got each answer, as long as `chat_completions`. An agent of one of these names gets its own
            answers only, so that agents that work at the same time do not take each other's.
        name: What `model_name` says.

    Raises:
        ValueError: If `sources` is of another length.
    """

    def __init__(
        self,
        chat_completions: Sequence[str | CreateResult | Mapping[str, Any]],
        model_info: ModelInfo | None = None,
        *,
        sources: Sequence[str] | None = None,
        name: str = "replay",
    ) -> None:
        self.chat_completions: list[str | CreateResult] = [
            CreateResult.model_validate(answer) if isinstance(answer, Mapping) else answer
            for answer in chat_completions
        ]
        if sources is not None and len(sources) != len(self.chat_completions):
            raise UserError(
                f"There are {len(self.chat_completions)} answers and {len(sources)} sources; give one each."
            )
        self.provided_message_count = len(self.chat_completions)
        self.create_calls: list[dict[str, Any]] = []
        self._sources = list(sources) if sources is not None else None
        self._name = name
        self._info = model_info or ModelInfo(
            vision=False, function_calling=False, json_output=False, family="unknown", structured_output=False
        )
        self._cached = True
        self._given: set[int] = set()
        self._tape: Tape | None = None
        """What it was recorded on."""
        self._usage = UsageCounter()
        self._words = WordCounter(text_word_count)

    @classmethod
    def from_log(cls, log: Given) -> Self:
        """Make the client that gives a run's recorded answers again, to the agents that got them.

        Calls that failed are left out. A wrapper's answer stands for that of the client it wraps. What is asked need
        not be the same: another prompt, task or tool result does not change the answers, and a note in the log says
        from where on an agent is shown something else. In a branch of that run it goes on behind what both share.

        Args:
            log: A run's log; a result; its file; or the run's id or its beginning.

        Raises:
            LogUnreadable: If the file cannot be read.
            UserError: If no model answered in that run, or there is none.
        """
        tape = Tape(log_of(log, "A replay"))
        client = cls(tape.answers, able_to_everything(), sources=tape.sources, name=tape.name)
        client._tape = tape
        return client

    @property
    def cassette(self) -> str:
        """The SHA-256 of its answers and of who gets them; `agentnb.provenance` of a run names it."""
        sources: Sequence[str | None] = self._sources or [None] * len(self.chat_completions)
        return cassette_of(zip(sources, self.chat_completions, strict=False))

    def _describe_config(self) -> dict[str, Any]:
        return {**super()._describe_config(), "cassette": self.cassette}

    @property
    def model_name(self) -> str:
        return self._name

    @property
    def model_info(self) -> ModelInfo:
        return self._info

    def set_cached_bool_value(self, value: bool) -> None:
        """Say whether answers that are texts count as cached."""
        self._cached = value

    def reset(self) -> None:
        """Begin again with the first answer; tokens and calls are forgotten."""
        self._given.clear()
        if self._tape is not None:
            self._tape.rewind()
        self.create_calls.clear()
        self._usage = UsageCounter()

    def _next(self, messages: Sequence[LLMMessage]) -> CreateResult:
        if self._tape is not None:
            self._given.update(self._tape.shared())
        index = self._next_index()
        self._given.add(index)
        if self._tape is not None:
            self._tape.compare(index, messages)
        answer = self.chat_completions[index]
        if isinstance(answer, str):
            answer = CreateResult(
                finish_reason="stop",
                content=answer,
                usage=RequestUsage(self._words.count(messages), len(answer.split())),
                cached=self._cached,
            )
        self._usage.add(answer.usage, cached=answer.cached)
        return answer.model_copy()

    def _next_index(self) -> int:
        here = current()
        source = here.source if here is not None else None
        own = self._sources is not None and source in self._sources
        for index in range(len(self.chat_completions)):
            if index in self._given or (own and self._sources and self._sources[index] != source):
                continue
            return index
        count = self._sources.count(source or "") if own and self._sources else len(self.chat_completions)
        to = f" for {source!r}" if own else ""
        why = self._tape.failed.get(source or "") if self._tape is not None else None
        raise UserError(
            f"{self._name} has no answer left{to}: all {count} were given. "
            + (f"In the recorded run its next call failed, which is left out: {why:.200}. Or the" if why else "The")
            + " conversation went on further than the recorded one; replay it with the same task, team and limits, or "
            "call reset()."
        )

    async def create(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Any] = (),
        tool_choice: ToolChoice = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> CreateResult:
        result = self._next(messages)
        self.create_calls.append(
            {
                "messages": messages,
                "tools": tools,
                "json_output": json_output,
                "extra_create_args": extra_create_args,
                "cancellation_token": cancellation_token,
            }
        )
        return result

    async def create_stream(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Any] = (),
        tool_choice: ToolChoice = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> AsyncGenerator[str | CreateResult, None]:
        result = self._next(messages)
        if isinstance(result.content, str):
            for piece in word_pieces(result.content):
                yield piece
        yield result

    async def close(self) -> None:
        """Release nothing: there are no connections."""

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Any] = ()) -> int:
        """Count words of text, as AutoGen's does."""
        return text_word_count(messages)

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Any] = ()) -> int:
        """Return 10,000 less what was used so far, as AutoGen's does."""
        used = self._usage.total
        return max(0, _WINDOW - used.prompt_tokens - used.completion_tokens)
