"""A model in this process, on a GGUF file: the small embedded one or the user's own."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ValidationError

from agentnb.core import CancellationToken
from agentnb.core.arguments import at_least_one
from agentnb.exceptions import (
    ModelError,
    ModelNotConfigured,
    ModelRequestRefused,
    ModelResponseInvalid,
    UserError,
)
from agentnb.messages import (
    AssistantMessage,
    ChatCompletionTokenLogprob,
    CreateResult,
    FinishReasons,
    FunctionExecutionResultMessage,
    LLMMessage,
    RequestUsage,
    SystemMessage,
    TopLogprob,
    UserMessage,
)
from agentnb.models import weights
from agentnb.models.base import CountingClient, ModelInfo, ToolChoice, UsageCounter, check_request
from agentnb.models.engine import Engine, chunks_of, engine_for, library
from agentnb.models.grammar import choices_grammar, json_object_grammar, tokens_grammar

EMBEDDED_NAME = "SmolLM2-135M"

_PASSED_ON = frozenset(
    re.findall(
        r"\w+",
        "frequency_penalty logprobs max_tokens min_p presence_penalty repeat_penalty seed stop temperature "
        "top_k top_logprobs top_p",
    )
)
_BINDINGS = ("grammar", "choices", "json_schema")
_FINISH: dict[Any, FinishReasons] = {"stop": "stop", "length": "length"}


class LocalChatCompletionClient(CountingClient):
    """A model in this process.

    ```python
    client = LocalChatCompletionClient()                     # the embedded 135M model
    client = LocalChatCompletionClient("Qwen2.5-7B-Q4.gguf", n_ctx=8192)
    ```

    Clients of one file and window share one engine, loaded at the first request and let go with the last client.
    The embedded model is a demonstration: it fills in what a grammar leaves open. It calls no tools, and free questions
    are beyond it.

    Args:
        path: A GGUF file; default: the embedded weights, which `python -m agentnb fetch` brings.
        n_ctx: The window, tokens of prompt and answer together.
        temperature: 0 takes the likeliest token, so that an answer can be repeated.
        seed: For temperatures above 0.
        max_tokens: An answer's limit where the request names none.
        threads: Of the processor; default: up to 4. The first client of an engine decides.

    Raises:
        ValueError: If a number is out of range.
    """

    component_version: ClassVar[int] = 1

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        n_ctx: int = 4096,
        temperature: float = 0.0,
        seed: int = 0,
        max_tokens: int = 256,
        threads: int | None = None,
    ) -> None:
        for name, value in (("n_ctx", n_ctx), ("max_tokens", max_tokens), ("threads", threads or 1)):
            at_least_one(name, value)
        self._path = None if path is None else Path(path).expanduser()
        self._n_ctx = n_ctx
        self._defaults = {"temperature": temperature, "seed": seed, "max_tokens": max_tokens}
        self._threads = threads
        self._engine: Engine | None = None
        self._usage = UsageCounter()

    @property
    def embedded(self) -> bool:
        """Whether this is the small model that comes with agentnb."""
        return self._path is None or self._path.name == weights.FILE_NAME

    @property
    def model_name(self) -> str:
        return f"local:{EMBEDDED_NAME if self._path is None or self.embedded else self._path.stem}"

    @property
    def model_info(self) -> ModelInfo:
        return ModelInfo(
            vision=False,
            function_calling=False,
            json_output=True,
            family="unknown",
            structured_output=True,
            multiple_system_messages=True,
            grammar=True,
            json_schema=True,
            choices=True,
        )

    async def load(self) -> None:
        """Load the model now, in a thread, rather than at the first request.

        Raises:
            ImportError: If the engine is not installed.
            ModelNotConfigured: If the weights are missing or cannot be loaded.
        """
        await self._loaded()

    async def _loaded(self) -> Engine:
        if self._engine is None:
            path = self._file()
            self._engine = await _in_thread(lambda: engine_for(path, self._n_ctx, self._threads))
        return self._engine

    def _file(self) -> Path:
        path = self._path or weights.find()
        if path is None:
            library()
            raise ModelNotConfigured(
                "The embedded model's weights (98 MB) are not here yet. Fetch them once: `python -m agentnb fetch`. "
                "Or name a GGUF file of yours: the model `local:FILE.gguf`."
            )
        return path

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
        result: CreateResult | None = None
        stream = self._answer(messages, tools, tool_choice, json_output, extra_create_args, cancellation_token)
        async with aclosing(stream) as items:
            async for item in items:
                if isinstance(item, CreateResult):
                    result = item
        if result is None:
            raise ModelResponseInvalid(f"{self.model_name} ended without an answer.")
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
        stream = self._answer(messages, tools, tool_choice, json_output, extra_create_args, cancellation_token)
        async with aclosing(stream) as items:
            async for item in items:
                yield item

    async def score(
        self,
        messages: Sequence[LLMMessage],
        text: str,
        *,
        cancellation_token: CancellationToken | None = None,
    ) -> float:
        """Return the log probability (natural logarithm, summed over tokens) that the model answers exactly `text`.

        The answer is bound to the text's own tokens, so it costs one request of that length, recorded like any other.

        Raises:
            ValueError: If `text` is empty.
        """
        engine = await self._loaded()
        tokens = await _in_thread(lambda: engine.tokens(text))
        if not tokens:
            raise UserError("score() was given an empty text; there is nothing to score.")
        result = await self.create(
            messages,
            extra_create_args={
                "grammar": tokens_grammar(tokens),
                "max_tokens": len(tokens) + 1,
                "logprobs": True,
                "top_logprobs": 1,
            },
            cancellation_token=cancellation_token,
        )
        return sum(token.logprob for token in result.logprobs or ())

    async def close(self) -> None:
        """Let the engine go; a later request loads it again."""
        self._engine = None

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Any] = ()) -> int:
        """Count with the model's tokenizer once it is loaded; before, a token is taken as four bytes."""
        written = _written(messages)
        if self._engine is not None:
            return len(self._engine.tokens(self._engine.prompt(written)))
        return sum(len(message["content"].encode()) // 4 + 4 for message in written)

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Any] = ()) -> int:
        return self._n_ctx - self.count_tokens(messages, tools=tools)

    def _request(
        self,
        messages: Sequence[LLMMessage],
        json_output: bool | type[BaseModel] | None,
        extra: Mapping[str, Any],
    ) -> dict[str, Any]:
        unknown = sorted(set(extra) - _PASSED_ON - set(_BINDINGS))
        if unknown:
            raise UserError(
                f"{self.model_name} takes no {', '.join(map(repr, unknown))} "
                f"(known: {', '.join(sorted(_PASSED_ON | set(_BINDINGS)))})."
            )
        bound = [name for name in _BINDINGS if extra.get(name) is not None]
        if len(bound) + bool(json_output) > 1:
            raise UserError(
                f"An answer can be bound once, not by {' and '.join([*bound, *['json_output'] * bool(json_output)])}."
            )
        request: dict[str, Any] = {
            **self._defaults,
            **{name: value for name, value in extra.items() if name in _PASSED_ON},
            "messages": _written(messages),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if extra.get("grammar") is not None:
            request["grammar"] = extra["grammar"]
        elif extra.get("choices") is not None:
            request["grammar"] = choices_grammar(extra["choices"])
            # No text has more tokens than bytes, and one of them is the whole answer.
            request["max_tokens"] = max(len(choice.encode()) for choice in extra["choices"]) + 1
        elif json_output is True:
            request["grammar"] = json_object_grammar()
        elif json_output or extra.get("json_schema") is not None:
            schema = json_output.model_json_schema() if isinstance(json_output, type) else extra["json_schema"]
            request["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
        return request

    async def _answer(
        self,
        messages: Sequence[LLMMessage],
        tools: Sequence[Any],
        tool_choice: ToolChoice,
        json_output: bool | type[BaseModel] | None,
        extra: Mapping[str, Any],
        token: CancellationToken | None,
    ) -> AsyncGenerator[str | CreateResult, None]:
        check_request(
            self.model_name,
            self.model_info,
            messages,
            tools=tools,
            tool_choice=tool_choice,
            json_output=json_output,
            extra=extra,
        )
        request = self._request(messages, json_output, extra)
        if token is not None and token.is_cancelled():
            raise asyncio.CancelledError
        engine = await self._loaded()
        reading = _Reading()
        async with aclosing(chunks_of(engine, request, token)) as chunks:
            async for chunk in chunks:
                if token is not None and token.is_cancelled():
                    raise asyncio.CancelledError  # not after the pieces that are waiting already
                if "error" in chunk:
                    raise self._refusal(chunk["error"], reading.text)
                if piece := reading.take(chunk):
                    yield piece
        result = reading.result()
        self._usage.add(result.usage)
        whole = json_output or extra.get("json_schema") is not None or extra.get("choices") is not None
        if whole and result.finish_reason == "length":
            raise ModelResponseInvalid(
                f"{self.model_name} was cut off after {result.usage.completion_tokens} tokens, before its answer was "
                "complete. Give it more room with max_tokens, or ask for less.",
                partial=reading.text,
            )
        if isinstance(json_output, type):
            _check_against(json_output, reading.text, self.model_name)
        yield result

    def _refusal(self, error: Mapping[str, Any], partial: str) -> ModelError:
        if error.get("type") == "exceed_context_size_error":
            return ModelRequestRefused(
                f"The request has {error.get('n_prompt_tokens')} tokens; the window of {self.model_name} has "
                f"{error.get('n_ctx')}. Shorten it, show the agent less of the conversation (model_context), "
                "or give the client a larger n_ctx."
            )
        return ModelRequestRefused(
            f"The local engine refused the request to {self.model_name}: {error.get('message', error)}", partial=partial
        )


def _check_against(model: type[BaseModel], text: str, name: str) -> None:
    try:
        model.model_validate_json(text)
    except ValidationError as error:
        raise ModelResponseInvalid(
            f"{name} answered JSON that is no {model.__name__}: {error}", partial=text
        ) from error


class _Reading:
    """One answer, put together from the engine's pieces."""

    def __init__(self) -> None:
        self.text = ""
        self._logprobs: list[ChatCompletionTokenLogprob] = []
        self._usage = RequestUsage(0, 0)
        self._finish: Any = None

    def take(self, chunk: Mapping[str, Any]) -> str:
        if usage := chunk.get("usage"):
            self._usage = RequestUsage(usage["prompt_tokens"], usage["completion_tokens"])
        piece = ""
        for choice in chunk.get("choices", ()):
            self._finish = choice.get("finish_reason") or self._finish
            piece += choice["delta"].get("content") or ""
            for token in (choice.get("logprobs") or {}).get("content") or ():
                self._logprobs.append(_logprob(token))
        self.text += piece
        return piece

    def result(self) -> CreateResult:
        if self._finish is None:
            raise ModelResponseInvalid("The local engine ended its answer without saying why.", partial=self.text)
        return CreateResult(
            finish_reason=_FINISH.get(self._finish, "unknown"),
            content=self.text,
            usage=self._usage,
            cached=False,
            logprobs=self._logprobs or None,
        )


def _logprob(token: Mapping[str, Any]) -> ChatCompletionTokenLogprob:
    return ChatCompletionTokenLogprob(
        token=token["token"],
        logprob=token["logprob"],
        bytes=token.get("bytes"),
        top_logprobs=[TopLogprob(top["logprob"], top.get("bytes")) for top in token.get("top_logprobs", ())],
    )


async def _in_thread(work: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(work)


def _written(messages: Sequence[LLMMessage]) -> list[dict[str, str]]:
    # Several templates want the two sides to alternate; in a team many speak in a row, so their words are joined.
    written: list[dict[str, str]] = []
    for message in messages:
        role, text = _role_and_text(message)
        if written and written[-1]["role"] == role:
            written[-1]["content"] += "\n\n" + text
        else:
            written.append({"role": role, "content": text})
    return written


def _role_and_text(message: LLMMessage) -> tuple[Literal["system", "user", "assistant"], str]:
    match message:
        case SystemMessage():
            return "system", message.content
        case UserMessage():
            content = message.content
            return "user", content if isinstance(content, str) else "\n".join(str(part) for part in content)
        case AssistantMessage():
            if isinstance(message.content, str):
                return "assistant", message.content
            return "assistant", "\n".join(f"{call.name}({call.arguments})" for call in message.content)
        case FunctionExecutionResultMessage():
            return "user", "\n".join(f"{result.name} gave: {result.content}" for result in message.content)
