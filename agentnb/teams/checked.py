"""A team whose messages are checked while they are said; where a check fails, it goes back and tries again."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from agentnb.base import Task, TaskResult
from agentnb.core import CancellationToken
from agentnb.core.arguments import at_least_one
from agentnb.core.cancellation import unless_cancelled
from agentnb.exceptions import RuntimeFault
from agentnb.messages import BaseChatMessage, TextMessage
from agentnb.runlog import Run, RunLog, Said, SpeakerChosen, current
from agentnb.runlog.given import Given
from agentnb.runlog.guards import Act, Refusal, guarding
from agentnb.runlog.story import Story, stories
from agentnb.teams.around import TeamAround
from agentnb.teams.group_chat import BaseGroupChat

__all__ = ["CheckedTeam", "Rollback", "rollback"]

Found = bool | str | None
"""True or None where the check is passed; False, or a text that says why, where it fails."""
TurnCheck = Callable[[Sequence[BaseChatMessage]], Found | Awaitable[Found]]
"""Given the chat messages so far, the task included."""


@dataclass(frozen=True, slots=True)
class Rollback:
    """What is done where a check fails."""

    turns: int
    """How many turns are taken back."""
    attempts: int
    """How often at most."""
    tells: bool
    """Whether the team is told why."""


def rollback(turns: int = 1, *, attempts: int = 3, tells: bool = True) -> Rollback:
    """Go back some turns where a check fails, and go on from there.

    Args:
        turns: How many, the one that failed included; at least 1.
        attempts: How often in one run; then the run ends, with the reason.
        tells: Whether everybody is told the reason; a model that is shown the same again may say the same again.

    Raises:
        ValueError: If a number is not positive.
    """
    for name, value in (("turns", turns), ("attempts", attempts)):
        at_least_one(f"{name} of rollback()", value)
    return Rollback(turns, attempts, tells)


class CheckedTeam(TeamAround):
    """Lets a team go back and try again where what it says fails a check.

    ```python
    def names_a_number(said):
        return any(c.isdigit() for c in said[-1].to_text()) or "Name a number."

    team = CheckedTeam(team, names_a_number, on_fail=rollback(1))
    result = await team.run(task="How many penguins are there?")
    ```

    The check is asked after each round, about each message that an agent said in it. Where it fails, the run ends, and
    its log is branched before the turns that are taken back; the branch goes on, in a file of its own beside the run's,
    or in memory where the run is, and nothing of what both share is done again. The result and its log are those of
    the last branch; each branch says where it comes from and why. What is taken back has been shown to those who
    watch, and what it did outside of the conversation, as by tools or to a kernel's variables, stays done.

    Args:
        team: The team; it may not be part of another run.
        check: A function, plain or `async`, of the chat messages so far.
        on_fail: How far it goes back, and how often; default: one turn, three times.
        name: Who speaks where the check fails.

    Raises:
        TypeError: If `team` is none whose log can be branched.
    """

    def __init__(
        self, team: BaseGroupChat, check: TurnCheck, *, on_fail: Rollback | None = None, name: str = "check"
    ) -> None:
        if not isinstance(team, BaseGroupChat):
            raise TypeError(f"CheckedTeam takes a team such as RoundRobinGroupChat([…]), not {type(team).__name__}.")
        if not callable(check):
            raise TypeError(f"The check is {check!r:.80}; give a function of the messages said so far.")
        if on_fail is not None and not isinstance(on_fail, Rollback):
            raise TypeError(f"on_fail is {on_fail!r:.80}; write on_fail=rollback(1).")
        self._team: BaseGroupChat = team
        self._check = check
        self._on_fail = on_fail or rollback()
        self._checker = name
        self._said: list[BaseChatMessage] = []
        self._failed: str | None = None
        self._went_back = 0
        self._token: CancellationToken | None = None

    @property
    def team(self) -> BaseGroupChat:
        """The team that is checked."""
        return self._team

    # -- running --------------------------------------------------------------------------------------------------

    async def _perform(
        self, task: list[BaseChatMessage], run: Run, cancellation_token: CancellationToken | None, echo: bool
    ) -> None:
        await self._team._perform(task, run, cancellation_token, echo)

    async def _run_task(
        self,
        task: Task,
        token: CancellationToken | None,
        echo: bool,
        log: RunLog | None,
        **options: Any,
    ) -> TaskResult:
        here = current()
        if here is not None and here.log.kept:
            raise RuntimeFault(
                f"The checked team {self.name!r} cannot go back within another run, whose log is not its own. "
                "Check the outermost team."
            )
        self._went_back = 0
        self._token = token
        if self._team._restored is None:
            self._team._last_run = None  # its log then begins with all that a branch of it needs
        with guarding(self):
            while True:
                self._failed = None
                self._said = [m for m in self._team._thread.messages if isinstance(m, BaseChatMessage)]
                result = await self._team._run_task(task, token, echo, log, **options)
                if self._failed is None or result.log is None:
                    return result
                if self._went_back == self._on_fail.attempts:
                    return result
                self._went_back += 1
                told = await self._go_back(result.log, self._failed)
                if told is not None and options.get("sink") is not None:
                    options["sink"](told)
                task, log = None, None

    async def _go_back(self, log: RunLog, reason: str) -> TextMessage | None:
        """Let the team stand where it stood some turns ago, in a branch; return what it is told."""
        story = [one for one in stories(log.events).values() if one.started.parent is None][-1]
        beside = log.path.parent if log.path is not None else None
        branch = log.branch(
            at=_before(story, self._on_fail.turns),
            why=f"{self._checker}: {reason}",
            folder=beside,
            in_memory=beside is None,
        )
        told = None
        if self._on_fail.tells:
            told = TextMessage(content=f"This did not pass: {_sentence(reason)} Try again.", source=self._checker)
            branch.append(Said.of(message=told, heard=True), source=self._checker, parent=story.started.id)
        await self._team.restore(branch)
        return told

    async def judge(self, act: Act) -> Refusal | None:
        """Ask the check about a message that was said."""
        if act.kind != "message" or self._failed is not None:
            return None
        self._said.append(act.detail)
        found: Any = self._check(tuple(self._said))
        if inspect.isawaitable(found):
            found = await unless_cancelled(found, self._token)
        if not isinstance(found, str) and found is not None and found not in (True, False):
            raise TypeError(
                f"The check gave {found!r:.80}, a {type(found).__name__}; it must give True or None where it is passed "
                "and False or the reason where it is not. Write bool(...) round a search, for example."
            )
        if found is None or (found and not isinstance(found, str)):
            return None
        self._failed = found if isinstance(found, str) and found else "The check failed."
        times = f" The team had gone back {_times(self._went_back)}." if self._went_back else ""
        return Refusal(self._checker, f"{_sentence(self._failed)}{times}", ends_run=True)

    # -- life -----------------------------------------------------------------------------------------------------

    async def restore(self, log: Given, *, rerun_code: bool = False) -> None:
        await self._team.restore(log, rerun_code=rerun_code)

    def _result_again(self, task: Task) -> TaskResult | None:
        return self._team._result_again(task)


def _sentence(text: str) -> str:
    return text if text.rstrip().endswith((".", "!", "?", "…")) else f"{text}."


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _before(story: Story, turns: int) -> int:
    """Return how many facts stand before the choice of the last so many rounds, or of the first one."""
    choices = [event.seq for event, step in story.steps if isinstance(step, SpeakerChosen)]
    return choices[-min(turns, len(choices))] - 1
