"""Facts about effects: wraps the methods of base classes that reach out, once, so that every adapter is covered.

Outside of a run the wrapped methods behave exactly as written.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Any

from agentnb.core import monotonic, well_formed
from agentnb.exceptions import ActRefused, ModelResponseInvalid
from agentnb.messages import CreateResult, LLMMessage
from agentnb.runlog import log as runlog
from agentnb.runlog.contexts import contexts_of
from agentnb.runlog.events import (
    CodeFinished,
    CodeStarted,
    Event,
    MemoryFinished,
    MemoryStarted,
    ModelFinished,
    ModelStarted,
    ToolFinished,
    ToolStarted,
    Usage,
)
from agentnb.runlog.guards import Act, guarded, judged
from agentnb.runlog.log import Entered, Scope
from agentnb.runlog.replaying import INTERRUPTED, Effect, replayed


def _within(here: Scope, started: Event, recorder: object) -> Entered:
    return Entered(Scope(here.log, started.id, here.source, (*here.recorders, id(recorder))))


def _recording(owner: object) -> Scope | None:
    here = runlog.current()
    return None if here is None or id(owner) in here.recorders else here


def unrecorded(owner: object) -> AbstractContextManager[None]:
    """Let calls of `owner` in the block leave no facts."""
    here = runlog.current()
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
    return tuple(tool["name"] if isinstance(tool, Mapping) else tool.name for tool in tools)


def _asked(
    here: Scope, client: Any, messages: Sequence[LLMMessage], options: Mapping[str, Any], streaming: bool
) -> Event:
    contexts = contexts_of(here.log)
    base, keep, added = contexts.show(here.log, messages, here.source)
    tools, choice = options.get("tools"), options.get("tool_choice", "auto")
    wanted, extra = options.get("json_output"), options.get("extra_create_args")
    started = here.log.append(
        ModelStarted.of(
            model=client.model_name,
            base=base,
            keep=keep,
            added=added,
            tools=_names(tools) if tools else (),
            tool_choice=choice if isinstance(choice, str) else _names([choice])[0],
            output="json" if wanted is True else getattr(wanted, "__name__", "text"),
            options=_plain(extra) if extra else {},
            streaming=streaming,
        ),
        parent=here.parent,
        source=here.source,
    )
    contexts.called(here.source, started.seq)
    return started


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    simple = (str, int, float, bool, type(None), list, dict)
    return {key: value if isinstance(value, simple) else repr(value) for key, value in options.items()}


def _usage(here: Scope, started: Event, client: Any, result: CreateResult) -> Usage | None:
    # A client that wraps another reports the same tokens again: they count once, at the innermost call.
    within = {started.id}
    for event in here.log._events[started.seq :]:
        if event.parent in within:
            if event.usage is not None:
                return None
            within.add(event.id)
    spent = result.usage
    return Usage(
        prompt_tokens=spent.prompt_tokens, completion_tokens=spent.completion_tokens, cost_usd=client.cost_usd(result)
    )


def _answered(here: Scope, started: Event, began: float, client: Any, result: CreateResult) -> None:
    here.log.append(
        ModelFinished.of(
            model=started.body.model,  # type: ignore[attr-defined]
            result=result,
            returned_model=getattr(result.usage, "served_by", None),
            fingerprint=getattr(result.usage, "fingerprint", None),
        ),
        source=here.source,
        parent=started.id,
        took=monotonic() - began,
        usage=_usage(here, started, client, result),
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


def _given(here: Scope, messages: Sequence[LLMMessage]) -> CreateResult | None:
    """Return what the model answered before the turn was broken off, if it was asked the same then."""
    recording = replayed()
    finished = None if recording is None else recording.model(here.source, messages)
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
        given = _given(here, messages)
        if given is not None:
            return given
        started = _asked(here, self, messages, options, streaming=False)
        began = monotonic()
        try:
            with _within(here, started, self):
                result = _result(self, await method(self, messages, **options))
        except BaseException as error:
            _failed(here, started, began, error, "")
            raise
        _answered(here, started, began, self, result)
        return result

    return create


def model_stream(
    method: Callable[..., AsyncGenerator[str | CreateResult, None]],
) -> Callable[..., AsyncGenerator[str | CreateResult, None]]:
    """Record `ChatCompletionClient.create_stream`, and see to it that it ends with its one result."""

    @functools.wraps(method)
    async def create_stream(
        self: Any, messages: Sequence[LLMMessage], **options: Any
    ) -> AsyncGenerator[str | CreateResult, None]:
        here = _recording(self)
        given = _given(here, messages) if here is not None else None
        if given is not None:
            if isinstance(given.content, str) and given.content:
                yield given.content
            yield given
            return
        stream = method(self, messages, **options)
        started = None if here is None else _asked(here, self, messages, options, streaming=True)
        began = monotonic()
        partial: list[str] = []
        result: CreateResult | None = None
        within: AbstractContextManager[None] = _within(here, started, self) if here and started else nullcontext()
        try:
            while True:
                # The scope holds only while the client works: what a generator sets would else leak to its consumer.
                with within:
                    try:
                        item = await anext(stream)
                    except StopAsyncIteration:
                        break
                if result is not None:
                    raise ModelResponseInvalid(f"{self.model_name} streamed {item!r:.80} after its result.")
                if isinstance(item, str):
                    partial.append(item)
                else:
                    result = _result(self, item)
                    if here and started:
                        _answered(here, started, began, self, result)
                yield item
            if result is None:
                raise ModelResponseInvalid(
                    f"{self.model_name} ended its stream without a result.", partial="".join(partial)
                )
        except BaseException as error:
            if here and started and result is None:
                _failed(here, started, began, error, "".join(partial))
            raise
        finally:
            await stream.aclose()

    return create_stream


class _ToolCall:
    """One call of a workbench's tool, as two facts; the block is the tool's work."""

    def __init__(self, here: Scope, owner: Any, name: str, arguments: Any, call_id: str | None, way: str) -> None:
        self._here, self._owner, self._name, self._call_id, self._way = here, owner, name, call_id, way
        self._started = here.log.append(ToolStarted.of(tool=name, call_id=call_id, arguments=dict(arguments or {})))
        self._scope = _within(here, self._started, owner)
        self._began = monotonic()

    def __enter__(self) -> None:
        self._token = _calling.set((id(self._owner), self._name, self._call_id, self._way))
        self._scope.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._scope.__exit__(*error)
        _calling.reset(self._token)

    def finished(self, text: str, *, is_error: bool, parts: Sequence[Any] = ()) -> None:
        values = {
            "tool": self._name,
            "call_id": self._call_id,
            "result": text,
            "is_error": is_error,
            "parts": tuple(part.model_dump(mode="json") for part in parts) or None,
        }
        # A workbench of the user's may give anything for a text.
        known = type(text) is str and type(is_error) is bool and well_formed(text) is text
        self._here.log.append(
            ToolFinished.of(**values) if known else ToolFinished(**values),
            parent=self._started.id,
            took=monotonic() - self._began,
        )


def tool_refused(name: str, arguments: Mapping[str, Any], call_id: str | None, why: str) -> None:
    """Log a call that no workbench was given, as one that failed."""
    here, recording = runlog.current(), replayed()
    known = here is not None and recording is not None and recording.tool(here.source, name, arguments, call_id)
    if here is not None and not known:
        _ToolCall(here, None, name, arguments, call_id, "call_tool").finished(why, is_error=True)


# The call that runs now, and which of the two ways it came by: a workbench may write one with the help of the other.
_calling: ContextVar[tuple[int, str, str | None, str] | None] = ContextVar("agentnb_calling", default=None)


def _tool_scope(owner: Any, name: str, call_id: str | None, way: str, method: Any) -> Scope | None:
    # Unlike a model's, a workbench's methods come back to it: a tool may call its neighbour. Only super() is no
    # call of its own.
    if getattr(type(owner), way) is not method:
        return None
    other = "call_tool" if way == "call_tool_stream" else "call_tool_stream"
    return None if _calling.get() == (id(owner), name, call_id, other) else runlog.current()


def _done_before(
    owner: Any, here: Scope, name: str, arguments: Mapping[str, Any] | None, call_id: str | None
) -> ToolFinished | None:
    """Return what became of a call before the turn was broken off; None where it is to be made now."""
    recording = replayed()
    effect = None if recording is None else recording.tool(here.source, name, arguments or {}, call_id)
    if recording is None or effect is None:
        return None
    idempotent = owner.is_idempotent(name)
    if effect.finished is not None and not _broken_off(effect.finished) and not (idempotent and effect.runs):
        return effect.finished.body  # type: ignore[return-value]
    if idempotent:
        # What an agent did that was called as a tool is shown again, from what it was answered.
        recording.enter(effect)
        return None
    return ToolFinished(tool=name, call_id=call_id, result=INTERRUPTED.format(what="call", done="made"), is_error=True)


def _broken_off(finished: Event) -> bool:
    body: Any = finished.body
    return bool(getattr(body, "is_error", True)) and str(body.result).startswith("CancelledError")


async def _may_call(here: Scope, name: str, arguments: Mapping[str, Any] | None) -> None:
    given = dict(arguments or {})
    text = f"{name}({', '.join(f'{key}={value!r}' for key, value in given.items())})"
    refusal = await judged(Act("tool", here.source, text, given))
    if refusal is not None:
        raise ActRefused(f"{refusal.by} refuses the call {text:.200}: {refusal.reason}")


async def _may_run(here: Scope, blocks: Sequence[Any]) -> None:
    refusal = await judged(Act("code", here.source, "\n".join(block.code for block in blocks), tuple(blocks)))
    if refusal is not None:
        raise ActRefused(f"{refusal.by} refuses to let the code run: {refusal.reason}")


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
        here = _tool_scope(self, name, call_id, "call_tool", call_tool)
        if here is None:
            return await method(self, name, arguments, cancellation_token, call_id)
        before = _done_before(self, here, name, arguments, call_id)
        if before is not None:
            return self._given_again(before)
        if guarded():
            await _may_call(here, name, arguments)
        call = _ToolCall(here, self, name, arguments, call_id, "call_tool")
        try:
            with call:
                result = await method(self, name, arguments, cancellation_token, call_id)
        except BaseException as error:
            call.finished(error_text(error), is_error=True)
            raise
        call.finished(result.to_text(), is_error=result.is_error, parts=_parts(result))
        return result

    return call_tool


def _parts(result: Any) -> Sequence[Any]:
    """Return the parts of a tool's result where its text does not say it all."""
    parts: Sequence[Any] = getattr(result, "result", ())
    return () if len(parts) == 1 and isinstance(parts[0].content, str) else parts


def tool_stream(method: Callable[..., AsyncGenerator[Any, None]]) -> Callable[..., AsyncGenerator[Any, None]]:
    """Record `StreamWorkbench.call_tool_stream`; its last item is the result."""

    @functools.wraps(method)
    async def call_tool_stream(
        self: Any,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: Any = None,
        call_id: str | None = None,
    ) -> AsyncGenerator[Any, None]:
        here = _tool_scope(self, name, call_id, "call_tool_stream", call_tool_stream)
        before = None if here is None else _done_before(self, here, name, arguments, call_id)
        if before is not None:
            yield self._given_again(before)
            return
        if here is not None and guarded():
            await _may_call(here, name, arguments)
        call = None if here is None else _ToolCall(here, self, name, arguments, call_id, "call_tool_stream")
        stream = method(self, name, arguments, cancellation_token, call_id)
        last: Any = None
        try:
            while True:
                # The scope holds only while the tool works: what a generator sets would else leak to its consumer.
                with call or nullcontext():
                    try:
                        last = await anext(stream)
                    except StopAsyncIteration:
                        break
                yield last
        except BaseException as error:
            if call:
                call.finished(error_text(error), is_error=True)
            raise
        finally:
            await stream.aclose()
        if call:
            to_text = getattr(last, "to_text", lambda: str(last))
            call.finished(to_text(), is_error=getattr(last, "is_error", False), parts=_parts(last))

    return call_tool_stream


def memory_use(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Record one of `Memory`'s methods: `update_context`, `query`, `add` or `clear`."""
    action: Any = method.__name__

    @functools.wraps(method)
    async def use(self: Any, *args: Any, **kwargs: Any) -> Any:
        here = _recording(self)
        if here is None:
            return await method(self, *args, **kwargs)
        name = str(getattr(self, "name", None) or type(self).__name__)
        about = next(iter((*args, *kwargs.values())), "") if action in ("query", "add") else ""
        text = about if isinstance(about, str) else about.to_text() if hasattr(about, "to_text") else repr(about)
        recording = replayed() if action in ("add", "clear") else None
        effect = None if recording is None else recording.memory(here.source, action, text)
        if effect is not None:
            if effect.finished is None:
                here.log.note(INTERRUPTED.format(what=f"{action} of the memory {name}", done="done"))
            return None
        started = here.log.append(MemoryStarted(memory=name, action=action, text=text))
        began = monotonic()

        def finished(**outcome: Any) -> None:
            here.log.append(
                MemoryFinished(memory=name, action=action, **outcome), parent=started.id, took=monotonic() - began
            )

        try:
            with _within(here, started, self):
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
        if effect is not None:
            return self._given_again(_ran(name, effect))
        if guarded():
            await _may_run(here, code_blocks)
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
