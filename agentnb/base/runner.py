"""What can be given a task, in all its ways."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny

from agentnb.base.handle import RunHandle
from agentnb.base.reader import Reader
from agentnb.base.restorable import Restorable
from agentnb.core import CancellationToken, plugins
from agentnb.core.component import ComponentToConfig, described
from agentnb.core.sync import run_sync
from agentnb.exceptions import UserError
from agentnb.messages import BaseAgentEvent, BaseChatMessage, TextMessage
from agentnb.messages.unchecked import made
from agentnb.runlog import (
    Participant,
    Run,
    RunLog,
    RunStarted,
    current,
    open_run,
)
from agentnb.runlog.circumstances import circumstances, versions
from agentnb.runlog.gate import Gate

if TYPE_CHECKING:
    import pandas as pd

Task = str | BaseChatMessage | Sequence[BaseChatMessage] | None


class TaskResult(BaseModel):
    """What a run gave: all messages and events in order, and why it ended."""

    model_config = ConfigDict(arbitrary_types_allowed=True, defer_build=True)

    messages: Sequence[SerializeAsAny[BaseAgentEvent | BaseChatMessage]]
    stop_reason: str | None = None
    log: RunLog | None = Field(default=None, exclude=True, repr=False)
    """Every fact of the run."""

    def to_df(self, kind: str = "messages", *, style: str = "agentnb") -> pd.DataFrame:
        """Return the run as a data frame: one row per message, or per `kind` of `agentnb.transcripts.to_df`.

        Raises:
            UnknownName: If there is no such table or style.
            ValueError: If the result has no log.
        """
        if self.log is None:
            raise UserError(
                "This result has no log, so there is no table of it. The result that `run`, `resume` or a cell gives "
                "has one; of a saved run, `RunLog.open(path)` gives it."
            )
        frame: pd.DataFrame = plugins.load("table", "frame")(self.log, kind, style=style)
        return frame


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


def models_of(names: Iterable[str]) -> str:
    """Return models in one text, each once; a name may itself be such a text."""
    named = {name for name in names if name}
    return ", ".join(sorted({model for name in named for model in name.split(", ") if model})) if named else ""


@lru_cache(maxsize=1024)
def taking_part(name: str, description: str, role: str) -> Participant:
    """Return one who takes part in a run; of those that take part in many there is one."""
    return Participant(name=name, description=description, role=role)


class TaskRunner(Restorable, ABC):
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
        here = current()
        within = here is not None and here.log.kept  # the run round this one has noted it
        return RunStarted(
            runner=self.name,
            runner_type=type(self).__name__,
            participants=tuple(self._run_participants()),
            model=self._run_model(),
            component=described(self) if isinstance(self, ComponentToConfig) else None,
            versions={} if within else versions(),
            circumstances=None if within else circumstances(),
        )

    def _run_participants(self) -> Sequence[Participant]:
        return (taking_part(self.name, self.description, type(self).__name__),)

    def _run_model(self) -> str:
        return ""

    def _held_to(self) -> str:
        """Return the charter it is held to; empty if there is none."""
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
        return await self._run_task(task, cancellation_token, output_task_messages, log)

    async def _run_task(
        self,
        task: Task,
        token: CancellationToken | None,
        echo: bool,
        log: RunLog | None,
        *,
        sink: Callable[[Any], None] | None = None,
        gate: Gate | None = None,
        begun: Callable[[Run], None] | None = None,
        logged: bool = False,
    ) -> TaskResult:
        if token is not None and not isinstance(token, CancellationToken):
            raise UserError(f"The cancellation_token is {token!r:.80}; give a CancellationToken(), or None.")
        messages = task_messages(task)
        going_on = self._going_on(log, new=bool(messages)) if not logged else None
        untold = self._restored.untold if self._restored is not None else None
        if untold is not None and (going_on is None or going_on.broken is None):
            await untold.tell()
        start = self._run_started()
        before = self._continues()
        if before is not None:
            taken_up = going_on is not None and going_on.broken is not None
            start = start.model_copy(update={"continues": before, "resumed": taken_up or None})
        with going_on.writing() if going_on is not None else nullcontext():
            here = going_on.log if going_on is not None and log is None else log
            async with open_run(start, log=here, sink=sink, gate=gate) as run:
                self._last_run, self._restored = run.started.id, None
                run.task_is_logged = logged
                if begun is not None:
                    begun(run)
                for note in self.opening_notes:
                    run.log.note(note)
                if going_on is not None:
                    await going_on.begin(run, self._coders(), token or CancellationToken())
                await self._perform(messages, run, token, echo)
                if untold is not None:
                    await untold.tell()
        return made(TaskResult, messages=run.messages, stop_reason=run.stop_reason, log=run.log)

    def run_stream(
        self,
        *,
        task: Task = None,
        cancellation_token: CancellationToken | None = None,
        output_task_messages: bool = True,
        log: RunLog | None = None,
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | TaskResult, None]:
        """Do a task and yield each message, event and streamed piece as it is said, then the `TaskResult`.

        Arguments are those of `run`. Closing the generator stops the run. An agent goes on when the next item is
        asked for, so that a tool call, code or question it announced is not begun if its reader leaves there; a team
        goes on meanwhile.
        """

        def begin(sink: Callable[[Any], None]) -> Coroutine[Any, Any, TaskResult]:
            return self._run_task(task, cancellation_token, output_task_messages, log, sink=sink)

        return as_said(begin)

    def start(
        self,
        *,
        task: Task = None,
        cancellation_token: CancellationToken | None = None,
        output_task_messages: bool = True,
        log: RunLog | None = None,
    ) -> RunHandle:
        """Begin a task in the background and return at once; `await` what is returned for the result.

        Arguments are those of `run`. Must be called where an event loop runs, as in a cell.
        """
        messages = task_messages(task) or None  # what is wrong with a task is said here, not when it is waited for

        def perform(begun: Callable[[Run], None], gate: Gate) -> Coroutine[Any, Any, TaskResult]:
            return self._run_task(messages, cancellation_token, output_task_messages, log, gate=gate, begun=begun)

        return RunHandle(self, perform)

    async def _told_to_pause(self) -> None:
        """Tell those who take part that the run is held."""

    async def _told_to_resume(self) -> None:
        """Tell those who take part that the run goes on."""

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


def as_said(
    begin: Callable[[Callable[[Any], None]], Coroutine[Any, Any, TaskResult]],
) -> AsyncGenerator[Any, None]:
    """Yield what a run says as it says it, then its `TaskResult`; closing the generator stops the run.

    Args:
        begin: Given what is to be called with each item, the run.
    """
    return Reader().read(begin)
