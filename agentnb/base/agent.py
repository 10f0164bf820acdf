"""What an agent is, and how it has its turn."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

from agentnb.base.reader import Reader
from agentnb.base.restoring import BrokenOff
from agentnb.base.runner import Task, TaskResult, TaskRunner
from agentnb.core import CancellationToken, Component
from agentnb.exceptions import AgentFailed
from agentnb.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    CodeBlock,
    CodeResult,
    LLMMessage,
    MessageFactory,
    ModelClientStreamingChunkEvent,
)
from agentnb.runlog import Run
from agentnb.runlog.given import Given
from agentnb.runlog.replaying import replaying


@dataclass(kw_only=True)
class Response:
    """What an agent answers to messages."""

    chat_message: BaseChatMessage
    inner_messages: Sequence[BaseAgentEvent | BaseChatMessage] | None = None


class ChatAgent(Component, TaskRunner):
    """One who answers messages; stateful, so it is given only what is new."""

    component_type: ClassVar[str] = "agent"

    @property
    @abstractmethod
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        """The classes of its answers."""

    @abstractmethod
    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        """Answer new messages."""

    @abstractmethod
    def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | Response, None]:
        """Yield what happens on the way to the answer, then the `Response`."""

    def _show_turn(
        self,
        messages: Sequence[BaseChatMessage],
        cancellation_token: CancellationToken,
        show: Show,
        tell: Tell | None = None,
    ) -> Coroutine[Any, Any, None]:
        """Return what shows the items of `on_messages_stream`, not yet begun; one that is `shown_by` is not needed.

        Args:
            messages: What is new.
            cancellation_token: Ends the turn.
            show: Is awaited with each item.
            tell: May be given the pieces of answers instead, at once.
        """
        stream: Any = self.on_messages_stream
        marked = getattr(stream, "shown_by", None)
        # One that somebody put in its place, and be it with `functools.wraps`, is the one that is heard.
        if marked is not None and getattr(stream, "__func__", None) is marked[0]:
            return marked[1](self)(messages, cancellation_token, show, tell)  # type: ignore[no-any-return]
        items: Any = stream(messages, cancellation_token)
        if not hasattr(items, "aclose"):
            if isinstance(items, Coroutine):
                items.close()
            raise AgentFailed(
                f"on_messages_stream of the agent {self.name!r} returned a {type(items).__name__}; it must be an "
                "asynchronous generator: write it with `async def` and `yield`."
            )
        return _shown(items, show)

    @abstractmethod
    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        """Forget the conversation."""

    @abstractmethod
    async def on_pause(self, cancellation_token: CancellationToken) -> None:
        """Hold on, if the agent can."""

    @abstractmethod
    async def on_resume(self, cancellation_token: CancellationToken) -> None:
        """Go on after a pause."""

    async def _told_to_pause(self) -> None:
        await self.on_pause(CancellationToken())

    async def _told_to_resume(self) -> None:
        await self.on_resume(CancellationToken())

    @abstractmethod
    async def save_state(self) -> Mapping[str, Any]:
        """Return what is needed to go on elsewhere, JSON-ready."""

    @abstractmethod
    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""

    async def resume(
        self,
        log: Given,
        *,
        task: Task = None,
        cancellation_token: CancellationToken | None = None,
        output_task_messages: bool = True,
        rerun_code: bool = False,
    ) -> TaskResult:
        """Go on from a run's log, as after a crash or in a branch; see `restore`.

        Args:
            log: The log, a result, the file, or the id of a run or its beginning.
            task: Something new; default: take up what was broken off. A run that had come to its end gives its result.
            cancellation_token: Cancelling it ends the run with `asyncio.CancelledError`.
            output_task_messages: Whether the task's messages are part of the result.
            rerun_code: Whether code that ran to its end is run again first.
        """
        return await self._resume(
            log,
            task=task,
            cancellation_token=cancellation_token,
            output_task_messages=output_task_messages,
            rerun_code=rerun_code,
        )

    def _keeps(self) -> Sequence[LLMMessage] | None:
        """Return the model context that holds all it remembers, as it stands; None if it has none, or not all."""
        return None

    async def _remember(self, messages: list[LLMMessage]) -> None:
        """Take the messages of a model context in place of what it keeps."""
        raise NotImplementedError(f"{type(self).__name__} keeps no model context.")

    def _has_state(self) -> bool:
        """Tell whether its state is more than what it keeps, so that it is to be written after its turns."""
        return self._keeps() is None

    async def _run_again(self, blocks: Sequence[CodeBlock], cancellation_token: CancellationToken) -> CodeResult:
        """Run code that it ran before the process ended, to have its variables again; this leaves no facts."""
        raise NotImplementedError(f"{type(self).__name__} runs no code.")

    def _coders(self) -> Mapping[str, ChatAgent]:
        return {} if type(self)._run_again is ChatAgent._run_again else {self.name: self}

    def _knows(self, factory: MessageFactory) -> None:
        for kind in self.produced_message_types:
            if not factory.knows(kind.__name__):
                factory.register(kind)

    @abstractmethod
    async def close(self) -> None:
        """Release what the agent holds."""


Step = BaseAgentEvent | BaseChatMessage | Response
Show = Callable[[Step], Awaitable[None]]
"""Takes what an agent yields."""
Tell = Callable[[ModelClientStreamingChunkEvent], None]
"""Takes a piece of an answer, at once."""
S = TypeVar("S", bound=Callable[..., Any])
Speak = Callable[[Sequence[BaseChatMessage], CancellationToken, Show], Coroutine[Any, Any, None]]


def shown_by(work: Callable[[Any], Callable[..., Coroutine[Any, Any, None]]]) -> Callable[[S], S]:
    """Mark an agent's `on_messages_stream` as one that only iterates what a coroutine shows, which runs then await.

    Args:
        work: Given the agent, returns the function that makes the coroutine, of the arguments of `_show_turn`.
    """

    def mark(stream: S) -> S:
        stream.shown_by = stream, work  # type: ignore[attr-defined]
        return stream

    return mark


_sorts: dict[type[object], Literal["chunk", "event", "chat message", "neither"]] = {}


def _sort(cls: type[object]) -> Literal["chunk", "event", "chat message", "neither"]:
    # Asked for every piece of a stream, and `issubclass` of pydantic models takes longer than the rest of its way.
    known = _sorts.get(cls)
    if known is None:
        if issubclass(cls, ModelClientStreamingChunkEvent):
            known = "chunk"
        elif issubclass(cls, BaseChatMessage):
            known = "chat message"
        else:
            known = "event" if issubclass(cls, BaseAgentEvent) else "neither"
        _sorts[cls] = known
    return known


def warn_of_two(agent: ChatAgent) -> None:
    """Warn that an agent gave a second answer in one turn."""
    warnings.warn(
        f"The agent {agent.name!r} yielded a second Response in one turn: the others hear the last one only. Yield "
        "what is said before it as messages.",
        UserWarning,
        stacklevel=2,
    )


async def _shown(items: AsyncGenerator[Step, None], show: Show) -> None:
    try:
        async for item in items:
            await show(item)
    finally:
        await items.aclose()


async def take_turn(
    agent: ChatAgent,
    messages: Sequence[BaseChatMessage],
    run: Run,
    cancellation_token: CancellationToken,
    *,
    again: BrokenOff | None = None,
    speak: Speak | None = None,
    reader: Reader | None = None,
) -> list[BaseAgentEvent | BaseChatMessage]:
    """Let an agent answer new messages, and say through `run` what it yields.

    What its answer has as `inner_messages` and was not yielded is part of the turn, but not shown. Of several
    `Response`s, which are warned of, the last is the answer.

    Args:
        agent: Who.
        messages: What it has not heard yet.
        run: Where it is said.
        cancellation_token: Ends the turn.
        again: The turn that broke off and is taken up: what was done in it is not done again.
        speak: What answers; default: its `on_messages_stream`.
        reader: Is waited for behind each message on the way to the answer.

    Returns:
        What it said, its answer last.

    Raises:
        AgentFailed: If it yields no `Response`, or something that is no message, or a message behind the answer.
    """
    said: list[BaseAgentEvent | BaseChatMessage] = []
    answer: BaseChatMessage | None = None

    def keep_quiet(inner: Sequence[Any], answer: BaseChatMessage) -> None:
        """Take what an agent did on its way and did not yield: conditions see it, those who watch do not."""
        known = {answer.id, *(one.id for one in said)}
        for one in inner:
            if _sort(type(one)) in ("event", "chat message") and one.id not in known:
                run.say(one, show=False)
                said.append(one)

    async def show(item: Step) -> None:
        nonlocal answer
        if type(item) is ModelClientStreamingChunkEvent:  # of these there are many
            run.chunk(item)
            return
        if isinstance(item, Response):
            if answer is not None:
                warn_of_two(agent)
            inner, item = item.inner_messages, item.chat_message
            answer = item
            if _sort(type(answer)) != "chat message":
                raise AgentFailed(
                    f"The agent {agent.name!r} gave a Response whose chat_message is {answer!r:.80}; "
                    "it must be a chat message such as TextMessage(content=…, source=…)."
                )
            if inner:
                keep_quiet(inner, answer)
        elif (sort := _sort(type(item))) == "chunk":
            run.chunk(item)
            return
        elif sort == "neither":
            raise AgentFailed(f"The agent {agent.name!r} yielded {item!r}; it may yield messages and a Response.")
        run.say(item)
        said.append(item)
        if reader is not None and answer is None:
            await reader.caught_up()

    keeps = agent._keeps()
    with run.turn(agent.name, keeps=keeps, again=again and again.seq):
        if speak is None:
            speaking = agent._show_turn(messages, cancellation_token, show, run.chunk)
        else:
            speaking = speak(messages, cancellation_token, show)
        if again is None:
            await speaking
        else:
            with replaying(again.recording):  # what was done in it is not done again
                await speaking
            await again.recording.over()
        if answer is None:
            raise AgentFailed(f"The agent {agent.name!r} ended its turn without a Response.")
        if said[-1] is not answer:
            raise AgentFailed(
                f"The agent {agent.name!r} yielded {said[-1]!r:.80} after its Response, and others hear what comes "
                "last; yield the Response last."
            )
        if keeps is None and agent._has_state():
            await run.note_state(agent.name, agent.save_state)
    return said
