"""Contracts: what can be given a task, what an agent and a team are, what ends a conversation."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny

from agentnb.core import CancellationToken, Component
from agentnb.core.sync import run_sync
from agentnb.exceptions import AgentFailed, TerminatedException, UserError
from agentnb.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    ModelClientStreamingChunkEvent,
    StopMessage,
    TextMessage,
)
from agentnb.runlog import Participant, Run, RunLog, RunStarted, open_run

__all__ = [
    "AndTerminationCondition",
    "ChatAgent",
    "OrTerminationCondition",
    "Response",
    "TaskResult",
    "TaskRunner",
    "Team",
    "TerminatedException",
    "TerminationCondition",
    "take_turn",
    "task_messages",
]

Task = str | BaseChatMessage | Sequence[BaseChatMessage] | None


class TaskResult(BaseModel):
    """What a run gave: all messages and events in order, and why it ended."""

    model_config = ConfigDict(arbitrary_types_allowed=True, defer_build=True)

    messages: Sequence[SerializeAsAny[BaseAgentEvent | BaseChatMessage]]
    stop_reason: str | None = None
    log: RunLog | None = Field(default=None, exclude=True, repr=False)
    """Every fact of the run."""


def task_messages(task: Task) -> list[BaseChatMessage]:
    """Return a task in any of its forms as messages.

    Raises:
        ValueError: If the sequence is empty or holds something that is no chat message.
    """
    match task:
        case None:
            return []
        case str():
            return [TextMessage(content=task, source="user")]
        case BaseChatMessage():
            return [task]
        case Sequence():
            messages: list[Any] = list(task)
            if not messages:
                raise UserError("The task is an empty list. Give a text, a message, or a list of messages.")
            for message in messages:
                if not isinstance(message, BaseChatMessage):
                    raise UserError(f"The task holds {message!r}; every element must be a chat message.")
            return messages
    raise UserError(f"A task is a text, a message or a list of messages, not {type(task).__name__}: {task!r}.")


class TaskRunner(ABC):
    """Anything that can be given a task."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Its name, as it appears in messages and logs."""

    @property
    @abstractmethod
    def description(self) -> str:
        """What it is good for, as others and models read it."""

    @abstractmethod
    async def _perform(
        self, task: list[BaseChatMessage], run: Run, cancellation_token: CancellationToken | None, echo: bool
    ) -> None:
        """Do the task: say everything through `run`, and set `run.stop_reason`."""

    def _run_started(self) -> RunStarted:
        describe = getattr(self, "describe_component", None)
        return RunStarted(
            runner=self.name,
            runner_type=type(self).__name__,
            participants=tuple(self._run_participants()),
            model=self._run_model(),
            component=describe().model_dump(mode="json", exclude_none=True) if describe else None,
        )

    def _run_participants(self) -> Sequence[Participant]:
        return (Participant(name=self.name, description=self.description, role=type(self).__name__),)

    def _run_model(self) -> str:
        return ""

    @property
    def asks_person(self) -> bool:
        """Whether a person may be asked something before it ends."""
        return False

    opening_notes: Sequence[str] = ()
    """Remarks logged when a run starts, such as which model was taken and why."""

    async def share(self, variables: Mapping[str, Any]) -> list[str]:
        """Hand variables to whoever runs code here.

        Args:
            variables: Values by the name they shall have.

        Returns:
            The names of those who took them; empty if nobody here runs code.
        """
        return []

    async def run(
        self,
        *,
        task: Task = None,
        cancellation_token: CancellationToken | None = None,
        output_task_messages: bool = True,
        log: RunLog | None = None,
    ) -> TaskResult:
        """Do a task and return what was said.

        Args:
            task: A text, a message, a list of messages; None goes on where the last run ended.
            cancellation_token: Cancelling it ends the run with `asyncio.CancelledError`.
            output_task_messages: Whether the task's messages are part of the result.
            log: Where the facts go; default: a new file of the runs folder.

        Raises:
            ValueError: If the task is malformed.
        """
        return await self._run_task(task, cancellation_token, output_task_messages, log, None)

    async def _run_task(
        self, task: Task, token: CancellationToken | None, echo: bool, log: RunLog | None, sink: Any
    ) -> TaskResult:
        messages = task_messages(task)
        async with open_run(self._run_started(), log=log, sink=sink) as run:
            for note in self.opening_notes:
                run.log.note(note)
            await self._perform(messages, run, token, echo)
        return TaskResult.model_construct(messages=run.messages, stop_reason=run.stop_reason, log=run.log)

    async def run_stream(
        self,
        *,
        task: Task = None,
        cancellation_token: CancellationToken | None = None,
        output_task_messages: bool = True,
        log: RunLog | None = None,
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | TaskResult, None]:
        """Do a task and yield each message, event and streamed piece as it is said, then the `TaskResult`.

        Arguments are those of `run`. Closing the generator stops the run.
        """
        said: deque[Any] = deque()
        arrived = asyncio.Event()

        def sink(item: Any) -> None:
            said.append(item)
            arrived.set()

        working = asyncio.create_task(self._run_task(task, cancellation_token, output_task_messages, log, sink))
        working.add_done_callback(lambda _: arrived.set())
        try:
            while said or not working.done():
                while said:
                    yield said.popleft()
                if not working.done():
                    arrived.clear()
                    await arrived.wait()
            yield working.result()
        finally:
            if not working.done():
                working.cancel()
                await asyncio.wait([working])
            if not working.cancelled():
                working.exception()  # seen: a run that fails while its reader leaves must not warn

    def run_sync(
        self,
        *,
        task: Task = None,
        cancellation_token: CancellationToken | None = None,
        output_task_messages: bool = True,
        log: RunLog | None = None,
    ) -> TaskResult:
        """Do a task and return what was said, without `await`: in a script, or in a cell.

        Arguments are those of `run`.
        """
        return run_sync(
            lambda: self.run(
                task=task,
                cancellation_token=cancellation_token,
                output_task_messages=output_task_messages,
                log=log,
            )
        )


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

    @abstractmethod
    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        """Forget the conversation."""

    @abstractmethod
    async def on_pause(self, cancellation_token: CancellationToken) -> None:
        """Hold on, if the agent can."""

    @abstractmethod
    async def on_resume(self, cancellation_token: CancellationToken) -> None:
        """Go on after a pause."""

    @abstractmethod
    async def save_state(self) -> Mapping[str, Any]:
        """Return what is needed to go on elsewhere, JSON-ready."""

    @abstractmethod
    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""

    @abstractmethod
    async def close(self) -> None:
        """Release what the agent holds."""


async def take_turn(
    agent: ChatAgent, messages: Sequence[BaseChatMessage], run: Run, cancellation_token: CancellationToken
) -> list[BaseAgentEvent | BaseChatMessage]:
    """Let an agent answer new messages, and say through `run` what it yields.

    Returns:
        What it said, its answer last.

    Raises:
        AgentFailed: If it yields no `Response`, or something that is no message.
    """
    said: list[BaseAgentEvent | BaseChatMessage] = []
    answered = False
    async with run.turn(agent.name), aclosing(agent.on_messages_stream(messages, cancellation_token)) as items:
        async for item in items:
            if isinstance(item, Response):
                item, answered = item.chat_message, True
            if isinstance(item, ModelClientStreamingChunkEvent):
                run.chunk(item)
            elif isinstance(item, BaseAgentEvent | BaseChatMessage):
                run.say(item)
                said.append(item)
            else:
                raise AgentFailed(f"The agent {agent.name!r} yielded {item!r}; it may yield messages and a Response.")
    if not answered:
        raise AgentFailed(f"The agent {agent.name!r} ended its turn without a Response.")
    return said


class Team(Component, TaskRunner):
    """Several agents at one task."""

    component_type: ClassVar[str] = "team"

    @abstractmethod
    async def reset(self) -> None:
        """Forget the conversation."""

    @abstractmethod
    async def pause(self) -> None:
        """Ask every agent to hold on."""

    @abstractmethod
    async def resume(self) -> None:
        """Let every agent go on."""

    @abstractmethod
    async def save_state(self) -> Mapping[str, Any]:
        """Return what is needed to go on elsewhere, JSON-ready."""

    @abstractmethod
    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""

    @abstractmethod
    async def close(self) -> None:
        """Release what the team's agents hold."""


class TerminationCondition(Component, ABC):
    """Says when a conversation is over; given only what is new since it was last asked.

    ```python
    MaxMessageTermination(10) | TextMentionTermination("DONE")
    ```
    """

    component_type: ClassVar[str] = "termination"

    @property
    @abstractmethod
    def terminated(self) -> bool:
        """Whether it has fired."""

    @abstractmethod
    async def __call__(self, messages: Sequence[BaseAgentEvent | BaseChatMessage]) -> StopMessage | None:
        """Return a message that says why it is over, or None.

        Raises:
            TerminatedException: If it has fired already; call `reset` first.
        """

    @abstractmethod
    async def reset(self) -> None:
        """Start anew."""

    def __and__(self, other: TerminationCondition) -> TerminationCondition:
        return AndTerminationCondition(self, other)

    def __or__(self, other: TerminationCondition) -> TerminationCondition:
        return OrTerminationCondition(self, other)


class _Combined(TerminationCondition, ABC):
    def __init__(self, *conditions: TerminationCondition) -> None:
        self._conditions = conditions
        self._reasons: dict[int, StopMessage] = {}

    async def _ask(self, messages: Sequence[BaseAgentEvent | BaseChatMessage]) -> None:
        if self.terminated:
            raise TerminatedException("The conversation is over; call reset() before it goes on.")
        for number, condition in enumerate(self._conditions):
            if not condition.terminated:
                reason = await condition(messages)
                if reason is not None:
                    self._reasons[number] = reason

    def _stop(self) -> StopMessage:
        reasons = [self._reasons[number].content for number in sorted(self._reasons)]
        return StopMessage(content=", ".join(reasons), source=type(self).__name__)

    async def reset(self) -> None:
        self._reasons.clear()
        for condition in self._conditions:
            await condition.reset()


class AndTerminationCondition(_Combined):
    """Over when every condition has fired, at whatever time each did."""

    @property
    def terminated(self) -> bool:
        return all(condition.terminated for condition in self._conditions)

    async def __call__(self, messages: Sequence[BaseAgentEvent | BaseChatMessage]) -> StopMessage | None:
        await self._ask(messages)
        return self._stop() if self.terminated else None


class OrTerminationCondition(_Combined):
    """Over when any condition fires."""

    @property
    def terminated(self) -> bool:
        return any(condition.terminated for condition in self._conditions)

    async def __call__(self, messages: Sequence[BaseAgentEvent | BaseChatMessage]) -> StopMessage | None:
        await self._ask(messages)
        return self._stop() if self.terminated else None
