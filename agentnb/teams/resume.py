"""A team from its log: what was said, who heard what, what each agent remembers, and where a run was broken off."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agentnb.base import BrokenOff, ChatAgent, Team
from agentnb.base.restoring import remind_of, said_below, taken_up
from agentnb.messages import BaseChatMessage, SelectSpeakerEvent
from agentnb.runlog import AgentState, Forgotten, RunLog, Said, SpeakerChosen, TurnFinished
from agentnb.runlog.replaying import Recording
from agentnb.runlog.story import Story, Turn, below
from agentnb.teams.base import Item, RememberingPolicy, TeamView

if TYPE_CHECKING:
    from agentnb.teams.group_chat import BaseGroupChat


@dataclass(eq=False)
class BrokenRound:
    """Those who had the word when a run was broken off."""

    names: tuple[str, ...]
    by_policy: list[Item]
    """What was said in the team's name before."""
    turns: dict[str, Turn] = field(default_factory=dict)
    given: dict[str, tuple[int, tuple[BaseChatMessage, ...]]] = field(default_factory=dict)
    """Where in the thread each turn began, and what it was told."""

    announced: bool = False
    """Whether the choice was shown, where choices are."""
    done: dict[str, list[Item]] = field(default_factory=dict)
    """What those said who came to their end."""


@dataclass(eq=False)
class BrokenRun:
    """Where a run was broken off."""

    log: RunLog
    stories: list[Story]
    """The run, and those that it had taken up in its turn."""
    task: list[BaseChatMessage]
    told: list[list[Item]]
    """What the termination condition was told, call by call."""
    rounds: int
    ended: str | None
    """Why the policy had ended it, where it had."""
    begun: bool
    round: BrokenRound | None
    pending: list[tuple[int, Any]]
    """What was said and forgotten in the team's name since the last round, to be done anew."""
    unsaid: list[int]
    """What was said in earlier attempts and is not taken back yet."""
    settle: Callable[[], Awaitable[None]]
    """Lets the run be over where it was broken off, for one that goes on with something new."""

    @property
    def has_task(self) -> bool:
        return self.begun or self.stories[0].started.body.continues is not None  # type: ignore[attr-defined]

    def again(self, name: str) -> BrokenOff | None:
        """Return what is known of a turn that had begun."""
        turn = self.round.turns.get(name) if self.round is not None else None
        return None if turn is None else taken_up(self.log, turn)

    def choosing(self) -> Recording:
        """Return what who chooses the speakers had done since the last round."""
        steps = [step for story in self.stories for step in story.steps]
        after = max((event.seq for event, step in steps if isinstance(step, TurnFinished)), default=0)
        turns = {event.id for event, step in steps if isinstance(step, Turn)}
        aside = {event.id for event in below(self.log, *turns)} | turns
        attempts = (below(self.log, story.started.id) for story in self.stories)
        return Recording(self.log, *([e for e in own if e.seq > after and e.id not in aside] for own in attempts))

    def taken_back(self) -> list[int]:
        """Return the `seq`s of what was said and will be said anew."""
        said = [*self.unsaid, *(seq for seq, body in self.pending if isinstance(body, Said))]
        now = self.round
        turns = [turn for name, turn in now.turns.items() if name not in now.done] if now is not None else []
        return [*said, *said_below(self.log, turns)]


class Restoring:
    """Brings a team to where its log ends, run by run."""

    def __init__(self, team: BaseGroupChat) -> None:
        self._team = team
        self._policy = team._policy if isinstance(team._policy, RememberingPolicy) else None
        self._inner: dict[str, Restoring] = {}
        self._memory: dict[str, tuple[RunLog, Turn] | None] = {}
        self._task: list[BaseChatMessage] = []
        self._told: list[list[Item]] = []
        self._rounds = 0
        self._ended: str | None = None
        self._begun = False
        self._round: BrokenRound | None = None
        self._pending: list[tuple[int, Any]] = []
        self._unsaid: list[int] = []
        self._stories: list[Story] = []

    async def tell(self, log: RunLog, story: Story, *, given: Sequence[BaseChatMessage] | None = None) -> None:
        """Let a run have happened.

        Args:
            log: Where it is told.
            story: The run; one that takes up the last one goes on where that one stood.
            given: Its task, where the run round it had logged that.
        """
        if story.resumed:
            # What was under way when the run broke off is done anew here.
            self._unsaid += [seq for seq, body in self._pending if isinstance(body, Said)]
            self._pending = []
            self._stories.append(story)
        else:
            await self.settle()
            self._unsaid, self._stories = [], [story]
            self._rounds, self._begun, self._ended = 0, False, None
            self._task, self._told = [], []
        task = list(given) if given is not None else [] if story.resumed else story.task()
        ids = {id(message) for message in task}
        for event, step in story.steps:
            if isinstance(step, AgentState) and step.agent == self._team.name:
                await self._team.load_state(step.state)
                self._memory.clear()
                continue
            if not self._begun:
                await self._begin(task)
            if isinstance(step, Said) and isinstance(step.message, SelectSpeakerEvent) and self._round is not None:
                self._round.announced = True
            elif isinstance(step, Said) and step.heard:
                self._team._thread.add([step.message], None)  # type: ignore[list-item]
            elif isinstance(step, Said):
                if id(step.message) not in ids:
                    self._pending.append((event.seq, step))
            elif isinstance(step, Forgotten | AgentState):
                self._pending.append((event.seq, step))
            elif isinstance(step, SpeakerChosen):
                self._round = BrokenRound(step.names, await self._commit())
            elif isinstance(step, Turn):
                self._turn_begins(step)
            elif isinstance(step, TurnFinished):
                await self._turn_ends(log, step)
        if story.done:
            await self.settle()
        self._team._last_run = story.started.id

    async def _begin(self, task: list[BaseChatMessage]) -> None:
        self._begun, self._task = True, task
        if self._policy is not None:
            await self._policy.begin(self._view())
        self._team._thread.add(task, None)
        counts = self._policy is None or self._policy.asks_condition_of_task
        if task and counts:
            self._told.append(list(task))

    def _view(self) -> TeamView:
        team = self._team
        return TeamView(
            team._names, team._thread.messages, team._turns, team._descriptions, team._last_speakers, self._task
        )

    async def _commit(self) -> list[Item]:
        """Let what was said in the team's name have been heard, and return it."""
        pending, self._pending = self._pending, []
        by_policy: list[Item] = []
        for _, body in pending:
            if isinstance(body, Said) and body.heard is False:
                continue  # for those who watch
            if isinstance(body, Said):
                self._team._thread.add([body.message], None)  # type: ignore[list-item]
                by_policy.append(body.message)  # type: ignore[arg-type]
            elif isinstance(body, Forgotten):
                self._team._thread.clear()
                self._team._last_speakers = ()
                self._memory.clear()
                for inner in self._inner.values():
                    await inner.forget()
            elif self._policy is not None and body.agent == self._team.manager_name:
                await self._policy.load_state(body.state)
        return by_policy

    def _turn_begins(self, turn: Turn) -> None:
        if self._round is None or turn.agent not in self._team._seats:
            return
        thread = self._team._thread
        self._round.turns[turn.agent] = turn
        self._round.given[turn.agent] = (len(thread.messages), tuple(thread.unheard(turn.agent)))

    async def _turn_ends(self, log: RunLog, finished: TurnFinished) -> None:
        now = self._round
        if now is None or finished.outcome != "done" or finished.agent not in now.turns:
            return
        turn = now.turns[finished.agent]
        now.done[turn.agent] = list(turn.said)
        self._memory[turn.agent] = (log, turn)
        self._team._thread.note_told(turn.agent, now.given[turn.agent][0])
        agent = self._team._seats[turn.agent].agent
        team = kept_team(agent)
        if team is not None:
            inner = self._inner.setdefault(turn.agent, Restoring(team))
            for story in turn.runs:
                if story.runner == team.name:
                    await inner.tell(log, story, given=now.given[turn.agent][1])
        if all(name in now.done for name in now.names):
            self._round = None
            await self._round_ends(now)

    async def _round_ends(self, now: BrokenRound) -> None:
        team = self._team
        said = {name: now.done[name] for name in dict.fromkeys(now.names)}
        self._hear(said)
        team._turns += 1
        team._last_speakers = now.names
        self._rounds += 1
        stop = await self._policy.heard(self._view(), said) if self._policy is not None else None
        self._ended = stop.content if stop is not None else None
        counts = self._policy is None or self._policy.asks_condition_of_task
        by_policy = now.by_policy if counts else []
        self._told.append([*by_policy, *(message for turn in said.values() for message in turn)])

    def _hear(self, said: dict[str, list[Item]]) -> None:
        for name, messages in said.items():
            agent = isinstance(self._team._seats[name].agent, ChatAgent)
            self._team._thread.add(messages, name, last_only=agent)

    async def settle(self) -> None:
        """Let what was under way have happened as far as it had, and the run be over."""
        if not self._begun:
            return
        if self._round is not None:
            self._hear(self._round.done)
            self._round = None
        await self._commit()
        if self._policy is not None:
            await self._policy.over()
        self._begun = False

    async def forget(self) -> None:
        """Let everything be forgotten."""
        self._memory.clear()
        await self._team.reset()

    async def finish(self, *, broken: bool) -> None:
        """Give each agent what it remembered; a run that is not taken up is over."""
        team = self._team
        if not broken:
            await self.settle()
        for name, seat in team._seats.items():
            memory, inner = self._memory.get(name), self._inner.get(name)
            if inner is not None:
                await inner.finish(broken=False)
            elif memory is not None:
                log, turn = memory
                await remind_of(seat.agent, log, turn)

    def broken(self, log: RunLog, story: Story) -> BrokenRun | None:
        """Return where the last run was broken off; None if it came to its end."""
        if story.done:
            return None
        return BrokenRun(
            log,
            self._stories,
            self._task,
            self._told,
            self._rounds,
            self._ended,
            self._begun,
            self._round,
            self._pending,
            self._unsaid,
            self.settle,
        )


def kept_team(agent: Any) -> BaseGroupChat | None:
    """Return the team whose log a participant's turns are told in; None for agents and teams of other kinds."""
    team: Any = getattr(agent, "team", agent) if isinstance(agent, Team) else None
    return team if team is not None and team._from_facts else None
