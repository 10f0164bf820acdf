"""What a team's loop asks those who guard its run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from agentnb.exceptions import ActRefused
from agentnb.messages import BaseChatMessage, HandoffMessage, TextMessage
from agentnb.runlog.guards import Act, ActKind, Refusal, judged
from agentnb.teams.base import Choice, Item

if TYPE_CHECKING:
    from agentnb.runlog import Run
    from agentnb.teams.thread import Thread


class Watch:
    """Asks about each act of a run and does what a refusal asks for: says it to the team, or ends the run.

    Args:
        run: The run.
        thread: What its team has said.
        names: The participants.
    """

    PATIENCE = 3
    """Refusals of the same sort in a row that a team gets over; the next one ends the run."""

    def __init__(self, run: Run, thread: Thread, names: Sequence[str], manager: str) -> None:
        self._run = run
        self._thread = thread
        self._names = names
        self._manager = manager
        self._in_a_row: dict[str, int] = {}
        self._ends: str | None = None

    async def goal(self, task: Sequence[BaseChatMessage]) -> None:
        """Ask about a task before it is told to anybody.

        Raises:
            ActRefused: If it is refused.
        """
        for message in task:
            refusal = await judged(Act("goal", message.source, message.to_text(), message))
            if refusal is not None:
                raise ActRefused(f"{refusal.by} refuses the task: {refusal.reason}")

    async def plan(self, said: Sequence[Item]) -> str | None:
        """Ask about what the team's manager told everybody; what is refused is taken out of the thread again.

        Returns:
            Why the run must end, or None.
        """
        for message in said:
            refusal = await judged(Act("goal", message.source, message.to_text(), message))
            if refusal is not None:
                self._take_back(message)
                return self._refused(refusal, "the plan")
        return None

    async def delegation(self, choice: Choice, last: Sequence[str]) -> Choice | None:
        """Ask whether those chosen may have the word.

        Returns:
            Who has it: those chosen, or after a refusal those who had it before; None if the policy is to choose
            again.
        """
        who = last[-1] if last else self._manager
        refusal = await judged(Act("delegation", who, ", ".join(choice.names), choice))
        if refusal is None:
            self._in_a_row.pop("delegation", None)
            return choice
        handed = self._thread.messages[-1] if self._thread.messages else None
        if isinstance(handed, HandoffMessage) and handed.target in choice.names:
            self._take_back(handed)  # else a swarm would hand over to the same one again
        self._refused(refusal, f"giving the word to {', '.join(choice.names)}", sort="delegation")
        back = tuple(name for name in last if name in self._names and name not in choice.names)
        return Choice(back, rule="refused", why=refusal.reason) if back else None

    async def said(self, turns: Mapping[str, Sequence[Item]]) -> str | None:
        """Ask about what was said in a round, before others are given it.

        Returns:
            Why the run must end, or None.
        """
        for name, items in turns.items():
            for item in items:
                kind: ActKind = "message" if isinstance(item, BaseChatMessage) else "event"
                refusal = await judged(Act(kind, name, item.to_text(), item))
                if refusal is not None:
                    self._refused(refusal, f"what {name} said")
        return self._ends

    async def done(self, reason: str) -> str | None:
        """Ask whether the run may end.

        Returns:
            The reason to end it; None if it must go on.
        """
        who = next((item.source for item in reversed(self._thread.messages)), self._manager)
        refusal = await judged(Act("done", who, reason, reason))
        if refusal is None:
            return reason
        ends = self._refused(refusal, f"to end now ({reason})", sort="done")
        return None if ends is None else f"{reason}; {ends}"

    @property
    def ends(self) -> str | None:
        """Why the run must end; None while it may go on."""
        return self._ends

    def _take_back(self, message: Item) -> None:
        self._thread.remove(message)
        self._run.unsay(message)

    def _refused(self, refusal: Refusal, what: str, sort: str = "") -> str | None:
        if sort:
            self._in_a_row[sort] = self._in_a_row.get(sort, 0) + 1
        spent = self._in_a_row.get(sort, 0) > self.PATIENCE
        if refusal.ends_run or spent:
            self._ends = f"{refusal.by} ended the run: {refusal.reason}"
        ends = f" The run ends: this was refused {self.PATIENCE} times in a row before." if spent else ""
        told = TextMessage(content=f"Refused: {what}. {refusal.reason}{ends}", source=refusal.by)
        self._run.say(told)
        self._thread.add([told], None)
        return self._ends
