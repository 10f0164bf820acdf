"""A model that follows a script: for tests and for teaching."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from agentnb.core import CancellationToken
from agentnb.core.cancellation import Abort
from agentnb.exceptions import UserError
from agentnb.messages import CreateResult, FunctionCall, LLMMessage, RequestUsage
from agentnb.models.base import CountingClient, ModelInfo, ToolChoice, UsageCounter, check_request
from agentnb.models.replay import WordCounter, able_to_everything, cassette_of, word_count, word_pieces

__all__ = ["ScriptedChatCompletionClient"]

Answer = str | CreateResult | list[FunctionCall]
Line = Answer | Exception | Callable[[Sequence[LLMMessage]], Answer]
"""An answer, an error to raise, or a function of the conversation that gives the answer."""

_WINDOW = 100_000


class ScriptedChatCompletionClient(CountingClient):
    """A model that says what its script says, word by word, and counts words as tokens.

    ```python
    client = ScriptedChatCompletionClient(["Let me see.", lambda messages: messages[-1].content.upper()])
    ```

    Args:
        script: Texts, lists of calls, whole results, errors to raise, or functions of the conversation. An error with
            a `partial` text is raised after that text was streamed.
        repeats: Whether it begins again at its end.
        delay: Seconds before each piece.
        model_info: What it says it can do; default: everything.
        name: What `model_name` says.

    Attributes:
        asked: The messages of every request, oldest request first.
        tools_offered: The names of the tools of every request.

    Raises:
        ValueError: If the script is empty.
    """

    def __init__(
        self,
        script: Sequence[Line],
        *,
        repeats: bool = False,
        delay: float = 0.0,
        model_info: ModelInfo | None = None,
        name: str = "scripted",
    ) -> None:
        if not script:
            raise UserError("The script is empty; give at least one answer.")
        self._script = list(script)
        self._repeats = repeats
        self._delay = delay
        self._info = model_info or able_to_everything()
        self._name = name
        self._position = 0
        self._usage = UsageCounter()
        self._words = WordCounter()
        self.asked: list[list[LLMMessage]] = []
        self.tools_offered: list[list[str]] = []

    @property
    def cassette(self) -> str:
        """The SHA-256 of its script, functions by their source; `agentnb.provenance` of a run names it."""
        return cassette_of((None, line) for line in self._script)

    def _describe_config(self) -> dict[str, Any]:
        return {**super()._describe_config(), "cassette": self.cassette}

    @property
    def model_name(self) -> str:
        return self._name

    @property
    def model_info(self) -> ModelInfo:
        return self._info

    def _next(self, messages: Sequence[LLMMessage], tools: Sequence[Any]) -> CreateResult | Exception:
        if self._position >= len(self._script) and not self._repeats:
            raise UserError(
                f"{self._name} was asked {self._position + 1} times and its script has {len(self._script)} answers. "
                "Give it more, or repeats=True."
            )
        line = self._script[self._position % len(self._script)]
        self._position += 1
        self.asked.append(list(messages))
        self.tools_offered.append([tool["name"] if isinstance(tool, Mapping) else tool.name for tool in tools])
        if isinstance(line, Exception):
            return line
        said = line(messages) if callable(line) else line
        if not isinstance(said, CreateResult):
            words = said if isinstance(said, str) else " ".join(call.arguments for call in said)
            said = CreateResult(
                finish_reason="stop" if isinstance(said, str) else "function_calls",
                content=said,
                usage=RequestUsage(self._words.count(messages), len(words.split())),
                cached=False,
            )
        self._usage.add(said.usage, cached=said.cached)
        return said.model_copy()

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
        options = {"tool_choice": tool_choice, "json_output": json_output, "extra": extra_create_args}
        check_request(self._name, self._info, messages, tools=tools, **options)
        answer = self._next(messages, tools)
        await Abort(cancellation_token).wait(asyncio.sleep(self._delay))
        if isinstance(answer, Exception):
            raise answer
        return answer

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
        options = {"tool_choice": tool_choice, "json_output": json_output, "extra": extra_create_args}
        check_request(self._name, self._info, messages, tools=tools, **options)
        answer = self._next(messages, tools)
        text = getattr(answer, "partial", "") if isinstance(answer, Exception) else answer.content
        abort = Abort(cancellation_token)
        for piece in word_pieces(text) if isinstance(text, str) else []:
            await abort.wait(asyncio.sleep(self._delay))
            yield piece
        if isinstance(answer, Exception):
            raise answer
        yield answer

    async def close(self) -> None:
        """Release nothing: there are no connections."""

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Any] = ()) -> int:
        """Count words."""
        return word_count(messages)

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Any] = ()) -> int:
        return _WINDOW - self.count_tokens(messages, tools=tools)
