"""Facts about effects: wraps the methods of base classes that reach out, once, so that every adapter is covered.

Outside of a run the wrapped methods behave exactly as written.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NoReturn

from pydantic_core import to_jsonable_python

from agentnb.core import EventId, monotonic
from agentnb.exceptions import ActRefused, ModelResponseInvalid
from agentnb.messages import CreateResult, LLMMessage, MemoryContent, MemoryMimeType, RequestUsage
from agentnb.runlog.contexts import contexts_of
from agentnb.runlog.events import (
    CodeFinished,
    CodeStarted,
    MemoryFinished,
    MemoryStarted,
    ModelFinished,
    Usage,
)
from agentnb.runlog.guards import Act, guarded, judged
from agentnb.runlog.light import model_finished, model_started
from agentnb.runlog.replaying import INTERRUPTED, Effect, Recording, replayed
from agentnb.runlog.scopes import Entered, Scope, _scope, as_scope, current, leave


def _inside(here: Scope, started: EventId | int, recorder: object) -> Scope:
    return as_scope((here.log, started, here.source, (*here.recorders, id(recorder))))


def _within(here: Scope, started: EventId | int, recorder: object) -> Entered:
    return Entered(_inside(here, started, recorder))


def _recording(owner: object) -> Scope | None:
    here = current()
    return None if here is None or id(owner) in here.recorders else here


def unrecorded(owner: object) -> AbstractContextManager[None]:
    """Let calls of `owner` in the block leave no facts."""
    here = current()
    return nullcontext() if here is None else Entered(here._replace(recorders=(*here.recorders, id(owner))))


def wrap(cls: type[Any], **wrappers: Callable[[Any], Any]) -> None:
    """Replace the methods that `cls` itself defines by recorded ones."""
    for name, wrapper in wrappers.items():
        method = cls.__dict__.get(name)
        if method is not None and not getattr(method, "__isabstractmethod__", False):
            setattr(cls, name, wrapper(method))


def error_text(error: BaseException) -> str:
    """Return an exception as one short text."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _names(tools: Sequence[Any]) -> tuple[str, ...]:
    return tuple([tool["name"] if isinstance(tool, Mapping) else tool.name for tool in tools])


def _asked(
    here: Scope, client: Any, messages: Sequence[LLMMessage], options: Mapping[str, Any], streaming: bool
) -> tuple[int, str]:
    contexts = contexts_of(here.log)
    base, keep, added = contexts.show(here.log, messages, here.source)
    model = client.model_name
    tools, choice = options.get("tools"), options.get("tool_choice", "auto")
    wanted, extra = options.get("json_output"), options.get("extra_create_args")
    started = here.log.add(
        model_started(
            model,
            _plain(extra) if extra else {},
            base,
            keep,
            added,
            tools=_names(tools) if tools else (),
            tool_choice=choice if isinstance(choice, str) else _names([choice])[0],
            output="text" if wanted is None else "json" if wanted is True else getattr(wanted, "__name__", "text"),
            streaming=streaming,
        ),
        parent=here.cause,
        source=here.source,
    )
    contexts.called(here.source, started)
    return started, model


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    simple = (str, int, float, bool, type(None), list, dict)
    return {key: value if isinstance(value, simple) else repr(value) for key, value in options.items()}


def _usage(here: Scope, started: int, client: Any, result: CreateResult) -> Usage | tuple[Any, ...] | None:
    # A client that wraps another reports the same tokens again: they count once, at the innermost call.
    if len(here.log._facts) > started:
        within = {here.log.id_of(started)}
        for event in here.log.since(started):
            if event.parent in within:
                if event.usage is not None:
                    return None
                within.add(event.id)
    spent = result.usage
    tokens, cost = (spent.prompt_tokens, spent.completion_tokens), client.cost_usd(result)
    if type(tokens[0]) is type(tokens[1]) is int and (cost is None or type(cost) is float):
        return *tokens, cost
    return Usage(prompt_tokens=tokens[0], completion_tokens=tokens[1], cost_usd=cost)


def _answered(here: Scope, started: int, began: float, model: str, client: Any, result: CreateResult) -> None:
    spent = result.usage
    if type(spent) is RequestUsage:  # which says no more than the tokens
        finished = model_finished(model, result)
    else:
        served_by, fingerprint = getattr(spent, "served_by", None), getattr(spent, "fingerprint", None)
        finished = model_finished(model=model, result=result, returned_model=served_by, fingerprint=fingerprint)
    here.log.add(
        finished,
        source=here.source,
        parent=started,
        took=monotonic() - began,
        usage=_usage(here, started, client, result),
    )


def _failed(here: Scope, started: int, began: float, model: str, error: BaseException, partial: str) -> None:
    here.log.append(
        ModelFinished(
            model=model,
            error=error_text(error),
            partial=partial or getattr(error, "partial", ""),
        ),
        parent=here.log.id_of(started),
        took=monotonic() - began,
    )


def _given(here: Scope, recording: Recording, messages: Sequence[LLMMessage]) -> CreateResult | None:
    """Return what the model answered before the turn was broken off, if it was asked the same then."""
    finished = recording.model(here.source, messages)
    return None if finished is None else finished.body.result.model_copy()  # type: ignore[attr-defined]


def _result(client: Any, result: Any) -> CreateResult:
    if isinstance(result, CreateResult):
        return result
    raise ModelResponseInvalid(f"{client.model_name} answered with {result!r:.80}, which is no CreateResult.")


def model_create(method: Callable[..., Awaitable[CreateResult]]) -> Callable[..., Awaitable[CreateResult]]:
    """Record `ChatCompletionClient.create`."""

    @functools.wraps(method)
    async def create(self: Any, messages: Sequence[LLMMessage], **options: Any) -> CreateResult:
        here = _recording(self)
        if here is None:
            return _result(self, await method(self, messages, **options))
        recording = replayed()
        given = _given(here, recording, messages) if recording is not None else None
        if given is not None:
            return given
        started, model = _asked(here, self, messages, options, streaming=False)
        began = monotonic()
        try:
            outer = _scope.set(_inside(here, started, self))
            try:
                result = _result(self, await method(self, messages, **options))
            finally:
                leave(outer)
        except BaseException as error:
            _failed(here, started, began, model, error, "")
            raise
        _answered(here, started, began, model, self, result)
        return result

    return create


_BREATH = 64
"""After so many pieces others in the event loop have their turn."""


class _Stream:
    """What is noted of an answer that comes in pieces."""

    __slots__ = ("_began", "_client", "_here", "_model", "_started", "inside", "partial", "result")

    def __init__(
        self, client: Any, here: Scope | None, messages: Sequence[LLMMessage], options: Mapping[str, Any]
    ) -> None:
        self._client, self._here = client, here
        self._started, self._model = (
            (0, "") if here is None else _asked(here, client, messages, options, streaming=True)
        )
        self.inside = None if here is None else _inside(here, self._started, client)
        """Where the client works."""
        self._began = monotonic()
        self.partial: list[str] = []
        self.result: CreateResult | None = None

    def take(self, item: Any) -> CreateResult:
        """Take what is no piece, and return it."""
        if self.result is not None:
            self.refuse(item)
        self.result = result = _result(self._client, item)
        if self._here is not None:
            _answered(self._here, self._started, self._began, self._model, self._client, result)
        return result

    def refuse(self, item: Any) -> NoReturn:
        """Say that nothing may follow the result."""
        raise ModelResponseInvalid(
            f"{self._client.model_name} streamed {item!r:.80} after its result, which must come last."
        )

    def end(self) -> CreateResult:
        """Return the result."""
        if self.result is None:
            raise ModelResponseInvalid(
                f"{self._client.model_name} ended its stream without a result: a CreateResult must come last.",
                partial="".join(self.partial),
            )
        return self.result

    def failed(self, error: BaseException) -> None:
        """Note what ended the stream before its result."""
        if self._here is not None and self.result is None:
            _failed(self._here, self._started, self._began, self._model, error, "".join(self.partial))


def model_stream(
    method: Callable[..., AsyncGenerator[str | CreateResult, None]],
) -> Callable[..., AsyncGenerator[str | CreateResult, None]]:
    """Record `ChatCompletionClient.create_stream`, and see to it that it ends with its one result.

    The method may yield pieces that came together as one list, which is taken apart for who reads the stream. What is
    returned has an attribute `told`: the same as a coroutine, which calls `tell` with the pieces as they come, and
    returns the result. It costs a generator less for each piece.
    """

    @functools.wraps(method)
    async def create_stream(
        self: Any, messages: Sequence[LLMMessage], **options: Any
    ) -> AsyncGenerator[str | CreateResult, None]:
        here = _recording(self)
        recording = replayed()
        given = None if here is None or recording is None else _given(here, recording, messages)
        if given is not None:
            if isinstance(given.content, str) and given.content:
                yield given.content
            yield given
            return
        stream = method(self, messages, **options)
        noted = _Stream(self, here, messages, options)
        inside, partial = noted.inside, noted.partial
        try:
            while True:
                # The scope holds only while the client works: what a generator sets would else leak to its consumer.
                token = _scope.set(inside)
                try:
                    item: Any = await anext(stream)
                except StopAsyncIteration:
                    break
                finally:
                    leave(token)
                if isinstance(item, str):
                    pieces: Sequence[str] = (item,)
                elif type(item) is list:
                    pieces = item
                else:
                    yield noted.take(item)
                    continue
                if noted.result is not None:
                    noted.refuse(item)
                for piece in pieces:
                    partial.append(piece)
                    yield piece
            noted.end()
        except BaseException as error:
            noted.failed(error)
            raise
        finally:
            await stream.aclose()

    async def told(
        self: Any, messages: Sequence[LLMMessage], tell: Callable[[Sequence[str]], None], **options: Any
    ) -> CreateResult:
        here = _recording(self)
        recording = replayed()
        given = None if here is None or recording is None else _given(here, recording, messages)
        if given is not None:
            if isinstance(given.content, str) and given.content:
                tell((given.content,))
            return given
        stream = method(self, messages, **options)
        noted = _Stream(self, here, messages, options)
        partial, breath = noted.partial, _BREATH
        try:
            with nullcontext() if noted.inside is None else Entered(noted.inside):
                item: Any
                async for item in stream:
                    if isinstance(item, str):
                        pieces: Sequence[str] = (item,)
                    elif type(item) is list:
                        pieces = item
                    else:
                        noted.take(item)
                        continue
                    if noted.result is not None:
                        noted.refuse(item)
                    partial += pieces
                    tell(pieces)
                    if len(partial) >= breath:
                        # A client that has its pieces ready never waits: nobody could read them before the last.
                        breath = len(partial) + _BREATH
                        await asyncio.sleep(0)
            return noted.end()
        except BaseException as error:
            noted.failed(error)
            raise
        finally:
            await stream.aclose()

    create_stream.told = told  # type: ignore[attr-defined]
    return create_stream


async def _may_run(here: Scope, blocks: Sequence[Any]) -> None:
    refusal = await judged(Act("code", here.source, "\n".join(block.code for block in blocks), tuple(blocks)))
    if refusal is not None:
        raise ActRefused(f"{refusal.by} refuses to let the code run: {refusal.reason}")


def memory_name(memory: Any) -> str:
    """Return the name of a memory, as facts have it."""
    return str(getattr(memory, "name", None) or type(memory).__name__)


def _about(action: str, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Return what a memory is asked for or is to remember, by its place, AutoGen's name for it, or as the first."""
    name = {"query": "query", "add": "content"}.get(action)
    return "" if name is None else args[0] if args else named.get(name, next(iter(named.values()), ""))


def content_data(content: MemoryContent) -> dict[str, Any] | None:
    """Return what of a memory's content its text does not say, as facts have it: None where it is a plain text."""
    try:
        data: dict[str, Any] = to_jsonable_python(content, bytes_mode="base64", inf_nan_mode="null", fallback=str)
    except (RecursionError, ValueError):
        return None  # what holds itself, say: the memory may still take it
    if data["metadata"] is None:
        del data["metadata"]
    if data["content"] == content.to_text():
        del data["content"]
    return None if data == {"mime_type": MemoryMimeType.TEXT.value} else data


def memory_use(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Record one of `Memory`'s methods: `update_context`, `query`, `add` or `clear`."""
    action: Any = method.__name__

    @functools.wraps(method)
    async def use(self: Any, *args: Any, **kwargs: Any) -> Any:
        here = _recording(self)
        if here is None:
            return await method(self, *args, **kwargs)
        name = memory_name(self)
        about = _about(action, args, kwargs)
        text = about if isinstance(about, str) else about.to_text() if hasattr(about, "to_text") else repr(about)
        recording = replayed() if action in ("add", "clear") else None
        effect = None if recording is None else recording.memory(here.source, action, text)
        if recording is not None and effect is not None:
            await recording.gave(effect)
            if effect.finished is None:
                here.log.note(INTERRUPTED.format(what=f"{action} of the memory {name}", done="done"))
            return None
        content = content_data(about) if action == "add" and isinstance(about, MemoryContent) else None
        started = here.log.append(MemoryStarted(memory=name, action=action, text=text, content=content))
        began = monotonic()

        def finished(**outcome: Any) -> None:
            here.log.append(
                MemoryFinished(memory=name, action=action, **outcome), parent=started.id, took=monotonic() - began
            )

        try:
            with _within(here, started.id, self):
                result = await method(self, *args, **kwargs)
        except BaseException as error:
            finished(error=error_text(error))
            raise
        found = getattr(result, "memories", result)
        finished(found=len(getattr(found, "results", ())))
        return result

    return use


def _ran(executor: str, effect: Effect) -> CodeFinished:
    """Return what became of code before the turn was broken off."""
    body: Any = effect.finished.body if effect.finished is not None else None
    if body is None or body.exit_code is None:
        shown = f"{body.output}\n" if body is not None and body.output else ""
        text = shown + INTERRUPTED.format(what="code", done="run")
        return CodeFinished(executor=executor, exit_code=1, output=text)
    return body  # type: ignore[no-any-return]


def code_run(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Record `CodeExecutor.execute_code_blocks`."""

    @functools.wraps(method)
    async def execute_code_blocks(self: Any, code_blocks: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        here = _recording(self)
        if here is None:
            return await method(self, code_blocks, *args, **kwargs)
        name = type(self).__name__
        recording = replayed()
        effect = None if recording is None else recording.code(here.source, code_blocks)
        if recording is not None and effect is not None:
            await recording.gave(effect)
            return self._given_again(_ran(name, effect))
        if guarded():
            await _may_run(here, code_blocks)
        started = here.log.append(CodeStarted(executor=name, blocks=tuple(code_blocks)))
        began = monotonic()
        try:
            with _within(here, started.id, self):
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
