"""What can come back from its log, and go on from there."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from agentnb.base.restoring import Told, chain, code_of, differences, relearn, run_again, runs_within
from agentnb.core import CancellationToken, EventId
from agentnb.exceptions import UserError
from agentnb.messages import MessageFactory
from agentnb.runlog import Event, Retracted, Run, RunFinished, RunLog, log_of, result_of
from agentnb.runlog.branch import ended_elsewhere
from agentnb.runlog.given import Given

if TYPE_CHECKING:
    from agentnb.base.agent import ChatAgent
    from agentnb.base.runner import Task, TaskResult, TaskRunner


class Broken(Protocol):
    """Where a run was broken off."""

    @property
    def has_task(self) -> bool:
        """Whether it is known what it was to do."""

    def taken_back(self) -> Sequence[int]:
        """Return the `seq`s of messages that will be said anew."""


class GoingOn(NamedTuple):
    """A run that goes on from a log."""

    log: RunLog
    broken: Broken | None
    """Where the run was broken off that it takes up."""
    code: Sequence[Event]
    """Code to run again first."""
    left: int
    """How many pieces of code are not run again."""
    before: Event
    """The `run.started` fact it goes on from."""
    runner: TaskRunner
    ended: Sequence[Event] = ()
    """How calls ended, elsewhere, that a branch has the beginning of only, and what memories learnt in them."""

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Let the log's file be written, if there is one."""
        self.log.reopen()
        try:
            yield
        finally:
            self.log.close()

    async def begin(self, run: Run, coders: Mapping[str, ChatAgent], token: CancellationToken) -> None:
        """Take over what is known of calls, take back what will be said anew, say what is different, run code again."""
        if self.ended:
            await self._take_over(run)
        if self.broken is not None:
            for seq in self.broken.taken_back():
                run.log.append(Retracted.of(said=seq, anew=True))
            run.messages += result_of(run.log, run.started.id)
        different = differences(self.before.body, run.started.body)
        if different:
            run.log.note(f"It goes on with other parts than before: {different}.")
        if self.left:
            run.log.note(
                f"{self.left} piece{'s' * (self.left != 1)} of code ran before and did not run again: a new kernel "
                "lacks their variables. Resume with rerun_code=True to run them again."
            )
        await run_again(run, self.code, coders, token)

    async def _take_over(self, run: Run) -> None:
        log = run.log
        calls = 0
        here: dict[EventId | None, EventId] = {}
        for event in self.ended:
            body: Any = event.body
            calls += event.kind != "memory.started" and event.parent not in here
            cause = here.get(event.parent, event.parent)
            here[event.id] = log.append(body, source=event.source, parent=cause, took=event.took).id
        log.note(
            f"What came of {calls} call{'s' * (calls != 1)} that had begun before the branch is taken from the run it "
            "comes from."
        )
        if any(event.kind.startswith("memory.") for event in self.ended):
            known = log.untold
            await relearn(self.runner, chain(log, self.runner.name, MessageFactory()))
            if known is not None and log.untold is not None:
                # The run has this one at hand.
                known.learnt, known.left, log.untold = log.untold.learnt, log.untold.left, known


class Restorable:
    """Has a log behind it: its last run's."""

    name: Any
    run_stream: Any
    _run_task: Any

    _last_run: EventId | None = None
    """The run whose conversation goes on with the next one."""
    _restored: RunLog | None = None
    """The log in which the next run goes on."""
    _broken: Broken | None = None
    """Where the last run of that log was broken off."""
    _reruns = False
    """Whether the code of that log is run again first."""

    def _continues(self) -> EventId | None:
        return self._last_run

    async def _retell(self, told: Sequence[Told]) -> None:
        """Come to where the last of some runs ends, and set `_broken` if it did not come to an end."""
        raise UserError(f"A {type(self).__name__} cannot be restored from a log.")

    def _inside(self) -> Iterable[TaskRunner]:
        """Return the agents and teams that are called as tools here."""
        return ()

    def _coders(self) -> Mapping[str, ChatAgent]:
        """Return those who run code here, by the name under which they do."""
        return {}

    def _knows(self, factory: MessageFactory) -> None:
        """Register the classes of messages that are said here."""

    async def restore(self, log: Given, *, rerun_code: bool = False) -> None:
        """Come to where a log ends: what was said, who heard it, what each remembers. Nobody is asked anything.

        The next run goes on in that log. Without a task it takes up a run that was broken off: turns that had come to
        their end stand, the others begin again, and what they had done already (answers of models and persons, results
        of tools and code) is not done again. A call of a tool or a piece of code that was begun and not ended is told
        to the agent as interrupted, unless the tool is `idempotent`; in a branch that was cut off behind its beginning,
        the agent is told what came of it in the run where it ended, and its memories what they learnt in it.

        Args:
            log: A run's log, a branch of one, a result; its file; or the run's id or its beginning.
            rerun_code: Whether the next run begins with the code that ran to its end, so that a new kernel has the
                variables; a piece that fails ends it.

        Raises:
            ValueError: If the log holds no run of this name, or one of other participants.
            LogUnreadable: If it cannot be read.
        """
        log = log_of(log, "What is restored")
        inside = list(self._inside())
        factory = MessageFactory()
        for one in (self, *inside):
            one._knows(factory)
        told = chain(log, self.name, factory)
        self._broken, self._restored = None, None
        await self._retell(told)
        calls = runs_within(told) if inside else {}
        for runner in inside:
            if runner.name in calls:
                await runner._retell(calls[runner.name])
        await relearn(self, told)  # type: ignore[arg-type]
        self._restored, self._reruns = log, rerun_code

    def _going_on(self, log: RunLog | None, *, new: bool) -> GoingOn | None:
        """Return what a run goes on from; None if it does not go on in a restored log.

        Args:
            log: The log it was given.
            new: Whether it was given a task.

        Raises:
            ValueError: If there is nothing to do.
        """
        restored = self._restored
        if restored is None or log not in (None, restored):
            return None
        broken = None if new else self._broken
        if broken is not None and not broken.has_task:
            raise UserError(
                f"The run in {restored.path or restored.id} broke off before its task was written. Give it: "
                "resume(log, task=...)."
            )
        before = next(event for event in restored if event.id == self._last_run)
        ended = ended_elsewhere(restored) if broken is not None else []
        code = code_of([*restored, *ended])
        again, left = (code, 0) if self._reruns else ((), len(code))
        return GoingOn(restored, broken, again, left, before, self, ended)  # type: ignore[arg-type]

    def _result_again(self, task: Task) -> TaskResult | None:
        """Return the result of a run that had come to its end, if there is nothing new to do."""
        from agentnb.base.runner import TaskResult

        log = self._restored
        if task is not None or self._broken is not None or log is None:
            return None
        ends = [e.body for e in log if e.parent == self._last_run and isinstance(e.body, RunFinished)]
        return TaskResult.model_construct(
            messages=result_of(log, self._last_run), stop_reason=ends[-1].stop_reason if ends else None, log=log
        )

    async def _resume(
        self,
        log: Given,
        *,
        task: Task = None,
        cancellation_token: CancellationToken | None = None,
        output_task_messages: bool = True,
        rerun_code: bool = False,
    ) -> TaskResult:
        """Restore, and go on; a run that had come to its end gives its result again."""
        await self.restore(log, rerun_code=rerun_code)
        again = self._result_again(task)
        if again is not None:
            return again
        result: TaskResult = await self._run_task(task, cancellation_token, output_task_messages, None)
        return result

    async def resume_stream(
        self,
        log: Given,
        *,
        task: Task = None,
        cancellation_token: CancellationToken | None = None,
        output_task_messages: bool = True,
        rerun_code: bool = False,
    ) -> AsyncGenerator[Any, None]:
        """Go on from a log as `resume` does, and yield what is said from there on, then the `TaskResult`."""
        await self.restore(log, rerun_code=rerun_code)
        again = self._result_again(task)
        if again is not None:
            yield again
            return
        stream = self.run_stream(
            task=task, cancellation_token=cancellation_token, output_task_messages=output_task_messages
        )
        async with aclosing(stream) as items:
            async for item in items:
                yield item
