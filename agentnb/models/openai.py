"""Models behind OpenAI's API, and behind any server that speaks its chat dialect."""

from __future__ import annotations

import asyncio
import difflib
import importlib
import os
import sys
import warnings
import weakref
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

from pydantic import BaseModel, SecretStr

from agentnb.core import CancellationToken
from agentnb.core.cancellation import Abort
from agentnb.exceptions import AgentnbError, ModelError, ModelNotConfigured, ModelNotFound, UserError
from agentnb.messages import CreateResult, LLMMessage
from agentnb.models import catalog, wire
from agentnb.models.answers import Answer, EventLines, read_json
from agentnb.models.arguments import (
    check_extra,
    check_given,
    fields_of,
    info_given,
    of_requests,
    of_sdk,
    stream_options,
    without_secrets,
)
from agentnb.models.base import (
    CountingClient,
    ModelInfo,
    ToolChoice,
    UsageCounter,
    check_request,
    refuse_images,
)
from agentnb.models.faults import Faults, without_login
from agentnb.models.reliable import Retry
from agentnb.models.sender import Sender, Sent
from agentnb.runlog import current

__all__ = ["OpenAIChatCompletionClient"]

_HOME = catalog.Endpoint("", "https://api.openai.com/v1", "OPENAI_API_KEY")

_MAKERS = frozenset(endpoint.url.rstrip("/") for endpoint in (_HOME, *catalog.ENDPOINTS))


class _Request(NamedTuple):
    body: bytes
    options: dict[str, Any]
    choices: Sequence[str] | None


class OpenAIChatCompletionClient(CountingClient):
    """A model behind OpenAI's API or a server that speaks its dialect.

    ```python
    client = OpenAIChatCompletionClient(model="gpt-4o-mini")
    result = await client.create([UserMessage(content="What is 2 + 2?", source="user")])
    await client.close()
    ```

    One object may be used by many agents at once and from several event loops.

    Args:
        model: The model's name as the server knows it.
        api_key: Default: OPENAI_API_KEY. A server at another address needs none.
        base_url: The server, up to `/v1`. Default: OPENAI_BASE_URL; for names that begin with `gemini-`, `claude-` or
            `Llama-` their makers' servers, with GEMINI_API_KEY, ANTHROPIC_API_KEY or LLAMA_API_KEY; else OpenAI.
        organization: OpenAI's organization id.
        timeout: Seconds without any answer, before and between pieces. Default: the SDK's, 600.
        max_retries: Further attempts after a rate limit or a lost connection; never after the first piece.
        default_headers: Sent with every request. Values whose name looks like a secret are not written by
            `dump_component`.
        model_info: What the model can do. Default: the table in `agentnb.models.catalog`; a model that is not there is
            taken to call tools and give JSON, and not to see images, and a note says so (AutoGen raises instead).
        model_capabilities: Old name of `model_info`.
        add_name_prefixes: Whether texts begin with "<source> said:".
        include_name_in_message: Whether the source is sent as `name`.
        arguments: Arguments of every request, such as `temperature`, `max_tokens`, `seed`, `stop`,
            `reasoning_effort`, `parallel_tool_calls`, `extra_body`, or of the SDK's client, such as `default_query`.

    Raises:
        ValueError: If an argument is unknown, or one that the client sets itself.
    """

    component_secrets = {"api_key": "OPENAI_API_KEY"}  # noqa: RUF012 - declared a ClassVar by the base

    def __init__(
        self,
        *,
        model: str = "",
        api_key: str | SecretStr | None = None,
        base_url: str | None = None,
        organization: str | None = None,
        timeout: float | None = None,
        max_retries: int = 2,
        default_headers: Mapping[str, Any] | None = None,
        model_info: ModelInfo | None = None,
        model_capabilities: Mapping[str, Any] | None = None,
        add_name_prefixes: bool = False,
        include_name_in_message: bool = True,
        **arguments: Any,
    ) -> None:
        if not model:
            raise UserError("OpenAIChatCompletionClient needs a model, e.g. model='gpt-4o-mini'.")
        self._model = model
        self._key = api_key.get_secret_value() if isinstance(api_key, SecretStr) else api_key
        self._base_url = base_url
        info = info_given(model, model_info, model_capabilities) or catalog.info_of(model)
        self._assumed = info is None
        self._info = info or catalog.assumed_info()
        self._headers = {k: v for k, v in (default_headers or {}).items() if not isinstance(v, Mapping)}
        check_given(arguments)
        self._arguments_of_requests = of_requests(arguments)
        self._arguments_of_sdk = of_sdk(
            arguments, timeout=timeout, organization=organization, default_headers=self._headers
        )
        # A subclass may take other arguments: only what it was given is replaced.
        init, args, kwargs = self.__dict__["_arguments"]
        self.__dict__["_arguments"] = (init, args, without_secrets(kwargs, self._headers))
        self.retry = Retry(max_retries)
        """How failed requests are made again."""
        self._writer = wire.MessageWriter(
            catalog.dialect(model, self._info["family"]),
            name_prefixes=add_name_prefixes,
            names=include_name_in_message,
            merge_system=not self._info.get("multiple_system_messages", False),
        )
        self._written_fields = wire.FieldWriter()
        self._usage = UsageCounter()
        self._senders: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Sender] = weakref.WeakKeyDictionary()

    def __repr__(self) -> str:
        return f"OpenAIChatCompletionClient(model={self._model!r}, base_url={without_login(self._endpoint.url)!r})"

    def __getstate__(self) -> dict[str, Any]:
        # Connections and caches stay here; the copy makes its own.
        writer = self._writer
        plain = wire.MessageWriter(
            writer.dialect, name_prefixes=writer.name_prefixes, names=writer.names, merge_system=writer.merge_system
        )
        captured = (None, *self.__dict__["_arguments"][1:])
        return {**self.__dict__, "_senders": None, "_writer": plain, "_arguments": captured}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._senders = weakref.WeakKeyDictionary()
        init: Any = type(self).__init__
        self.__dict__["_arguments"] = (init.__wrapped__, *state["_arguments"][1:])

    @property
    def model_name(self) -> str:
        return f"openai:{self._model}"

    @property
    def model_info(self) -> ModelInfo:
        return self._info

    @property
    def _endpoint(self) -> catalog.Endpoint:
        url = self._base_url or os.environ.get("OPENAI_BASE_URL", "")
        if url:
            return catalog.Endpoint("", url, "OPENAI_API_KEY")
        return next((e for e in catalog.ENDPOINTS if self._model.startswith(e.prefix)), _HOME)

    def _api_key(self) -> str:
        endpoint = self._endpoint
        key = self._key or os.environ.get(endpoint.key_variable, "")
        if key:
            return key
        if endpoint.url != _HOME.url and endpoint not in catalog.ENDPOINTS:
            return "none"  # servers of one's own take no key, and the SDK insists on one
        raise ModelNotConfigured(
            f"{self._model} needs a key: set {endpoint.key_variable} in the environment. Without a key, set "
            "OPENAI_BASE_URL to a server of your own, or work offline with the embedded model: --model local."
        )

    def check_configured(self) -> None:
        """Say, before any request, what is missing.

        Raises:
            ModelNotConfigured: If there is no key for a server that needs one.
        """
        self._api_key()

    async def _sender(self) -> Sender:
        loop = asyncio.get_running_loop()
        sender = self._senders.get(loop)
        if sender is None:
            key = self._api_key()
            if "openai" not in sys.modules:
                # A third of a second that would else hold up every other task of the loop.
                await asyncio.to_thread(importlib.import_module, "openai")
            sender = self._senders[loop] = Sender(key, self._endpoint.url, self._arguments_of_sdk)
        return sender

    def _request(
        self,
        messages: Sequence[LLMMessage],
        *,
        stream: bool,
        tools: Sequence[Any],
        tool_choice: ToolChoice,
        json_output: bool | type[BaseModel] | None,
        extra: Mapping[str, Any],
    ) -> _Request:
        check_request(
            self.model_name,
            self._info,
            messages[:1],
            tools=tools,
            tool_choice=tool_choice,
            json_output=json_output,
            extra=extra,
        )
        given = self._arguments_of_requests
        if extra:
            check_extra(extra)
            given = {**given, **extra}
        fields = fields_of(given, json_output=json_output, tool_choice=tool_choice if tools else None, stream=stream)
        model = fields.body.pop("model", self._model)
        written = self._writer.write(messages, lambda new: refuse_images(self.model_name, self._info, new))
        body = self._written_fields.body(model, written, tools, fields.body)
        return _Request(body, fields.options, given.get("choices"))

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
        request = self._request(
            messages,
            stream=False,
            tools=tools,
            tool_choice=tool_choice,
            json_output=json_output,
            extra=extra_create_args,
        )
        self._say_what_is_assumed()
        abort = Abort(cancellation_token)
        return await self.retry.call(lambda: abort.wait(self._whole(request)), who=self.model_name, abort=abort)

    async def _whole(self, request: _Request) -> CreateResult:
        answer = self._new_answer()
        response = await self._open(request)
        try:
            data = await response.read()
        except Exception as error:
            raise self._translated(error) from None
        finally:
            await response.close()
        self._feed(answer, data)
        return self._finish(answer, request)

    async def create_stream(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Any] = (),
        tool_choice: ToolChoice = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
        include_usage: bool | None = None,
    ) -> AsyncGenerator[str | CreateResult, None]:
        """Answer in pieces; see the base class.

        Reasoning comes between the pieces `<think>` and `</think>`; one of given `choices` comes in one piece.

        Args:
            include_usage: False leaves out `stream_options`, for servers that refuse it; tokens then count 0.
        """
        options = stream_options([self._arguments_of_requests, extra_create_args], include_usage)
        request = self._request(
            messages,
            stream=True,
            tools=tools,
            tool_choice=tool_choice,
            json_output=json_output,
            extra={**extra_create_args, "stream_options": options},
        )
        self._say_what_is_assumed()
        abort = Abort(cancellation_token)
        tried = 0
        while True:
            said = False
            try:
                async with aclosing(self._streamed(request, abort)) as arriving:
                    async for pieces in arriving:
                        said = True
                        yield pieces  # type: ignore[misc]  # the recorder takes lists apart
                return
            except ModelError as error:
                if said:
                    raise
                await self.retry.pause(error, tried, who=self.model_name, abort=abort)
            tried += 1

    async def _streamed(self, request: _Request, abort: Abort) -> AsyncGenerator[list[str] | CreateResult, None]:
        """Yield the pieces that came together as one list, then the result."""
        answer = self._new_answer()
        response = await abort.wait(self._open(request))
        try:
            lines = EventLines()
            done, shows = False, request.choices is None
            while not done:
                try:
                    piece = await abort.wait(response.more())
                except Exception as error:
                    raise self._translated(error, answer.partial) from None
                todo = [lines.end() if piece is None else lines.add(piece)]
                while todo and not done:
                    events = todo.pop()
                    texts = answer.take_alike(events)
                    if texts is None and len(events) > 1:
                        # The first and the last pieces of a stream are other ones.
                        middle = len(events) // 2
                        todo += [events[middle:], events[:middle]]
                        continue
                    if texts is None and events:
                        done = events[0].strip() == b"[DONE]"
                        texts = [] if done else self._feed(answer, events[0])
                    if texts and shows:
                        yield texts
                if piece is None:
                    break
            if done:
                await _drain(response)
            result = self._finish(answer, request)
            if request.choices is not None and isinstance(result.content, str):
                yield [result.content]
            yield result
        finally:
            await response.close()

    async def _open(self, request: _Request) -> Sent:
        """Send a request and return the answer, its body unread."""
        sender = self._senders.get(asyncio.get_running_loop()) or await self._sender()
        try:
            try:
                return await sender.post(request.body, request.options)
            except Exception as error:
                raise self._translated(error) from None
        except ModelNotFound as error:
            known = await self._known_models(sender)
            raise ModelNotFound(str(error) + (f" It knows: {', '.join(known)}." if known else "")) from None

    async def _known_models(self, sender: Sender) -> list[str]:
        try:
            names = await sender.models(timeout=2.0)
        except Exception:  # the list is a courtesy: whatever keeps it from us, the first error is the one to show
            return []
        near = difflib.get_close_matches(self._model, names, n=5, cutoff=0.3)
        return [*near, *(name for name in names if name not in near)][:8]

    def _new_answer(self) -> Answer:
        return Answer(self.model_name, thinks_in_text=self._info["family"] == "r1")

    def _feed(self, answer: Answer, data: bytes) -> list[str]:
        try:
            chunk = read_json(data)
            error = chunk.get("error")
            if not error:
                return answer.add(chunk, data)
        except (ValueError, TypeError, AttributeError, KeyError) as flaw:
            raise self._faults().malformed(flaw, data, answer.partial) from None
        raise self._faults().in_stream(error, answer.partial)

    def _finish(self, answer: Answer, request: _Request) -> CreateResult:
        self._usage.add(answer.usage)
        result = answer.result()
        if request.choices is not None and isinstance(result.content, str):
            result.content = wire.unwrap_choice(self.model_name, result.content, request.choices)
        return result

    def _say_what_is_assumed(self) -> None:
        if not self._assumed:
            return
        self._assumed = False
        text = (
            f"{self._model} is not in the model table: taken to call tools and give JSON, not to see images, with a "
            f"window of {catalog.UNKNOWN_WINDOW} tokens. If it differs, pass model_info to OpenAIChatCompletionClient."
        )
        here = current()
        if here is None:
            warnings.warn(text, UserWarning, stacklevel=3)
        else:
            here.log.note(text)

    def _translated(self, error: Exception, partial: str = "") -> Exception:
        # Raised without its cause: the SDK's errors quote servers, and some servers quote the key.
        return error if isinstance(error, AgentnbError) else self._faults().translated(error, partial)

    def _faults(self) -> Faults:
        endpoint = self._endpoint
        secrets = (self._key, os.environ.get(endpoint.key_variable), *self._headers.values())
        return Faults(self._model, self.model_name, endpoint.url, endpoint.key_variable, secrets)

    def cost_usd(self, result: CreateResult) -> float | None:
        """Return the US dollars of an answer, by the user's prices or, of a maker's own server, by the maker's."""
        at_home = self._endpoint.url.rstrip("/") in _MAKERS and not getattr(result.usage, "service_tier", "")
        return self._cost(result, listed=at_home and "data_residency" not in self._arguments_of_sdk)

    async def close(self) -> None:
        """Close the connections of every event loop; a later call opens new ones."""
        here = asyncio.get_running_loop()
        senders = list(self._senders.items())
        self._senders.clear()
        for loop, sender in senders:
            if loop is here:
                await sender.close()
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(sender.close(), loop))

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Any] = ()) -> int:
        """Estimate tokens: UTF-8 bytes / 4; no tokenizer is downloaded."""
        return catalog.estimate_tokens(messages, tools)

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Any] = ()) -> int:
        """Estimate what is left of the window; 32,768 tokens are taken for a model that is not listed."""
        window = catalog.window_of(self._model) or catalog.UNKNOWN_WINDOW
        return window - self.count_tokens(messages, tools=tools)


async def _drain(answer: Sent) -> None:
    # A connection whose body was read to the end can be used again; a server that keeps it open is not waited for.
    try:
        async with asyncio.timeout(0.25):
            await answer.read()
    except Exception:
        return
