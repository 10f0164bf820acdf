"""Facts about effects: wraps the methods of base classes that reach out, once, so that every adapter is covered.

Outside of a run the wrapped methods behave exactly as written.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from typing import Any

from agentnb.core import monotonic
from agentnb.exceptions import ModelResponseInvalid
from agentnb.messages import BaseTextChatMessage, CreateResult, LLMMessage
from agentnb.runlog import log as runlog
from agentnb.runlog.events import (
    CodeFinished,
    CodeStarted,
    ContextAdded,
    Event,
    ModelFinished,
    ModelStarted,
    Said,
    ToolFinished,
    ToolStarted,
    Usage,
)
from agentnb.runlog.log import RunLog, Scope

# The objects whose recorded method runs now: a subclass that calls super().create() is one call, not two.
_busy: ContextVar[tuple[int, ...]] = ContextVar("agentnb_recording", default=())


@contextmanager
def _within(here: Scope, started: Event, recorder: object) -> Iterator[None]:
    token = _busy.set((*_busy.get(), id(recorder)))
    try:
        with runlog.scope(here.log, started.id, here.source):
            yield
    finally:
        _busy.reset(token)


def _recording(owner: object) -> Scope | None:
    here = runlog.current()
    return None if here is None or id(owner) in _busy.get() else here


def wrap(cls: type[Any], **wrappers: Callable[[Any], Any]) -> None:
    """Replace the methods that `cls` itself defines by recorded ones."""
    for name, wrapper in wrappers.items():
        method = cls.__dict__.get(name)
        if method is not None and not getattr(method, "__isabstractmethod__", False):
            setattr(cls, name, wrapper(method))


def error_text(error: BaseException) -> str:
    """Return an exception as one short text."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


class _Contexts:
    """Which messages a log's models have been shown, so that each is written once."""

    def __init__(self) -> None:
        self.scanned = 0
        self.said: dict[tuple[str, str], int] = {}
        self.shown: dict[Any, tuple[Any, int]] = {}
        self.calls: dict[str, tuple[int, list[int]]] = {}

    def entries(self, log: RunLog, messages: Sequence[LLMMessage], source: str) -> list[int]:
        for event in log._events[self.scanned :]:
            if isinstance(event.body, Said) and isinstance(event.body.message, BaseTextChatMessage):
                message = event.body.message
                # A class of the user's may give models another text; read again, only its content is known.
                if message.to_model_text() == message.content:
                    self.said.setdefault((message.source, message.content), event.seq)
        self.scanned = len(log._events)
        return [self._entry(log, message) for message in messages]

    def _entry(self, log: RunLog, message: LLMMessage) -> int:
        content = getattr(message, "content", None)
        speaker = getattr(message, "source", None)
        thought = getattr(message, "thought", None)
        key: Any = (message.type, speaker, content, thought) if isinstance(content, str) else id(message)
        known = self.shown.get(key)
        if known is not None:
            return known[1]
        said = self.said.get((speaker, content)) if isinstance(content, str) and speaker is not None else None
        plain = said is not None and thought is None
        event = log.append(
            ContextAdded(role=message.type, said=said if plain else None, message=None if plain else message)
        )
        # The message is kept with its number: an `id` says nothing once its object is gone.
        self.shown[key] = (message, event.seq)
        return event.seq


_contexts: weakref.WeakKeyDictionary[RunLog, _Contexts] = weakref.WeakKeyDictionary()


def _names(tools: Sequence[Any]) -> tuple[str, ...]:
    return tuple(tool["name"] if isinstance(tool, Mapping) else tool.name for tool in tools)


def _asked(
    here: Scope, client: Any, messages: Sequence[LLMMessage], options: Mapping[str, Any], streaming: bool
) -> Event:
    contexts = _contexts.setdefault(here.log, _Contexts())
    entries = contexts.entries(here.log, messages, here.source)
    base, before = contexts.calls.get(here.source, (None, []))
    keep = 0
    while keep < min(len(before), len(entries)) and before[keep] == entries[keep]:
        keep += 1
    choice = options.get("tool_choice", "auto")
    wanted = options.get("json_output")
    started = here.log.append(
        ModelStarted(
            model=client.model_name,
            base=base if keep else None,
            keep=keep,
            added=tuple(entries[keep:]),
            tools=_names(options.get("tools", ())),
            tool_choice=choice if isinstance(choice, str) else _names([choice])[0],
            output="json" if wanted is True else getattr(wanted, "__name__", "text"),
            options=_plain(options.get("extra_create_args") or {}),
            streaming=streaming,
        )
    )
    contexts.calls[here.source] = (started.seq, entries)
    return started


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    simple = (str, int, float, bool, type(None), list, dict)
    return {key: value if isinstance(value, simple) else repr(value) for key, value in options.items()}


def _usage(here: Scope, started: Event, result: CreateResult) -> Usage | None:
    # A client that wraps another reports the same tokens again: they count once, at the innermost call.
    within = {started.id}
    for event in here.log._events[started.seq :]:
        if event.parent in within:
            if event.usage is not None:
                return None
            within.add(event.id)
    return Usage(prompt_tokens=result.usage.prompt_tokens, completion_tokens=result.usage.completion_tokens)


def _answered(here: Scope, started: Event, began: float, result: CreateResult) -> None:
    here.log.append(
        ModelFinished(model=started.body.model, result=result),  # type: ignore[attr-defined]
        parent=started.id,
        took=monotonic() - began,
        usage=_usage(here, started, result),
    )


def _failed(here: Scope, started: Event, began: float, error: BaseException, partial: str) -> None:
    here.log.append(
        ModelFinished(
            model=started.body.model,  # type: ignore[attr-defined]
            error=error_text(error),
            partial=partial or getattr(error, "partial", ""),
        ),
        parent=started.id,
        took=monotonic() - began,
    )


def model_create(method: Callable[..., Awaitable[CreateResult]]) -> Callable[..., Awaitable[CreateResult]]:
    """Record `ChatCompletionClient.create`."""

    @functools.wraps(method)
    async def create(self: Any, messages: Sequence[LLMMessage], **options: Any) -> CreateResult:
        here = _recording(self)
        if here is None:
            return await method(self, messages, **options)
        started = _asked(here, self, messages, options, streaming=False)
        began = monotonic()
        try:
            with _within(here, started, self):
                result = await method(self, messages, **options)
        except BaseException as error:
            _failed(here, started, began, error, "")
            raise
        _answered(here, started, began, result)
        return result

    return create


def model_stream(
    method: Callable[..., AsyncGenerator[str | CreateResult, None]],
) -> Callable[..., AsyncGenerator[str | CreateResult, None]]:
    """Record `ChatCompletionClient.create_stream`."""

    @functools.wraps(method)
    async def create_stream(
        self: Any, messages: Sequence[LLMMessage], **options: Any
    ) -> AsyncGenerator[str | CreateResult, None]:
        here = _recording(self)
        stream = method(self, messages, **options)
        if here is None:
            async with aclosing(stream):
                async for item in stream:
                    yield item
            return
        started = _asked(here, self, messages, options, streaming=True)
        began = monotonic()
        partial: list[str] = []
        try:
            while True:
                # The scope holds only while the client works: what a generator sets would else leak to its consumer.
                with _within(here, started, self):
                    try:
                        item = await anext(stream)
                    except StopAsyncIteration:
                        break
                if isinstance(item, str):
                    partial.append(item)
                else:
                    _answered(here, started, began, item)
                    began = -1.0
                yield item
            if began >= 0:
                missing = ModelResponseInvalid("the stream ended without a result")
                _failed(here, started, began, missing, "".join(partial))
        except BaseException as error:
            if began >= 0:
                _failed(here, started, began, error, "".join(partial))
            raise
        finally:
            await stream.aclose()

    return create_stream


def tool_call(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Record `Workbench.call_tool`."""

    @functools.wraps(method)
    async def call_tool(
        self: Any,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: Any = None,
        call_id: str | None = None,
    ) -> Any:
        # Unlike a model's, a workbench's methods come back to it: a tool may call its neighbour. Only super() is no
        # call of its own.
        here = runlog.current() if type(self).call_tool is call_tool else None
        if here is None:
            return await method(self, name, arguments, cancellation_token, call_id)
        started = here.log.append(ToolStarted(tool=name, call_id=call_id, arguments=dict(arguments or {})))
        began = monotonic()

        def finished(text: str, is_error: bool) -> None:
            here.log.append(
                ToolFinished(tool=name, call_id=call_id, result=text, is_error=is_error),
                parent=started.id,
                took=monotonic() - began,
            )

        try:
            with _within(here, started, self):
                result = await method(self, name, arguments, cancellation_token, call_id)
        except BaseException as error:
            finished(error_text(error), True)
            raise
        finished(result.to_text(), result.is_error)
        return result

    return call_tool


def code_run(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Record `CodeExecutor.execute_code_blocks`."""

    @functools.wraps(method)
    async def execute_code_blocks(self: Any, code_blocks: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        here = _recording(self)
        if here is None:
            return await method(self, code_blocks, *args, **kwargs)
        name = type(self).__name__
        started = here.log.append(CodeStarted(executor=name, blocks=tuple(code_blocks)))
        began = monotonic()
        try:
            with _within(here, started, self):
                result = await method(self, code_blocks, *args, **kwargs)
        except BaseException as error:
            here.log.append(
                CodeFinished(
                    executor=name,
                    error=error_text(error),
                    output=getattr(error, "output", ""),
                    outputs=tuple(getattr(error, "outputs", ())),
                ),
                parent=started.id,
                took=monotonic() - began,
            )
            raise
        here.log.append(
            CodeFinished(
                executor=name,
                exit_code=result.exit_code,
                output=result.output,
                outputs=tuple(getattr(result, "outputs", ())),
            ),
            parent=started.id,
            took=monotonic() - began,
        )
        return result

    return execute_code_blocks
