"""Small runners for kernels under test: each shows one behaviour a run can have."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from agentnb.agents import BaseChatAgent, UserProxyAgent
from agentnb.base import Response, TaskRunner
from agentnb.core import CancellationToken
from agentnb.exceptions import AgentFailed, HumanUnavailable, ModelAuthError
from agentnb.messages import BaseChatMessage, TextMessage
from agentnb.runlog import Run
from agentnb.teams import CheckedTeam, RoundRobinGroupChat, rollback


class Small(TaskRunner):
    """Says its task back, then does what its subclass says."""

    def __init__(self, name: str = "ana", *, asks: bool = False) -> None:
        self._name = name
        self._asks = asks
        self.closed = 0

    @property
    def name(self) -> str:
        return self._name

    @property
    def description(self) -> str:
        return f"{type(self).__name__.lower()} for tests"

    @property
    def asks_person(self) -> bool:
        return self._asks

    def say(self, run: Run, text: str) -> None:
        run.say(TextMessage(content=text, source=self.name))

    async def _perform(
        self, task: list[BaseChatMessage], run: Run, cancellation_token: CancellationToken | None, echo: bool
    ) -> None:
        for message in task:
            run.say(message, show=echo)
        with run.turn(self.name):
            await self.act(run)
        run.stop_reason = "all said"

    async def act(self, run: Run) -> None:
        """Do something; say it through `run`."""


class Talker(Small):
    """Says three things."""

    async def act(self, run: Run) -> None:
        for word in ("one", "two", "three"):
            self.say(run, word)
            await asyncio.sleep(0)


class Speaker(Small):
    """Says what it was made with."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    async def act(self, run: Run) -> None:
        self.say(run, self.text)


class Waiter(Small):
    """Says one thing, then waits to be stopped, or for `gate`."""

    def __init__(self, name: str = "ana", *, asks: bool = False) -> None:
        super().__init__(name, asks=asks)
        self.gate = asyncio.Event()

    async def act(self, run: Run) -> None:
        self.say(run, "before")
        await self.gate.wait()
        self.say(run, "after")


class Asker(Small):
    """Asks a person, and repeats the answer."""

    def __init__(self, name: str = "ana", *, asks: bool = True, choices: tuple[str, ...] = ()) -> None:
        super().__init__(name, asks=asks)
        self.choices = choices

    async def act(self, run: Run) -> None:
        try:
            answer = await run.log.ask("Which island?", choices=self.choices)
        except HumanUnavailable as error:
            self.say(run, f"nobody: {error}")
        else:
            self.say(run, f"heard {answer}")


class Printer(Small):
    """Prints, also after its cell has ended."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.gate = asyncio.Event()

    async def act(self, run: Run) -> None:
        print(f"{self.name} begins")
        await self.gate.wait()
        print(f"{self.name} ends")
        self.say(run, "printed")


class Failer(Small):
    """Fails as an agent with a wrong key does."""

    async def act(self, run: Run) -> None:
        self.say(run, "so far")
        try:
            raise ModelAuthError("The server refused the key in OPENAI_API_KEY.")
        except ModelAuthError as error:
            raise AgentFailed(f"{self.name} failed") from error


class Coder(Small):
    """Takes variables, and says what it was told about them."""

    async def share(self, variables: Mapping[str, Any]) -> list[str]:
        return [self.name] if variables else []

    async def act(self, run: Run) -> None:
        self.say(run, str(len(run.messages)))


class Teller(BaseChatAgent):
    """Says how often it has spoken, which nothing but its state tells; may wait for `gate` before it does."""

    produced_message_types = (TextMessage,)

    def __init__(self, name: str, *, waits: bool = False) -> None:
        super().__init__(name, "counts")
        self.gate = asyncio.Event()
        if not waits:
            self.gate.set()
        self.asked = 0
        self.turns = 0

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        self.asked += 1
        await self.gate.wait()
        self.turns += 1
        return Response(chat_message=TextMessage(content=f"{self.name} {self.turns}", source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        self.turns = 0

    async def save_state(self) -> Mapping[str, Any]:
        return {"turns": self.turns}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        self.turns = state["turns"]

    async def share(self, variables: Mapping[str, Any]) -> list[str]:
        return [self.name] if variables else []


class Duo(RoundRobinGroupChat):
    """Ana and ben say four things; ben may wait before his first."""

    def __init__(self, *, waits: bool = False, name: str = "duo", turns: int = 4) -> None:
        self.ana, self.ben = Teller("ana"), Teller("ben", waits=waits)
        super().__init__([self.ana, self.ben], name=name, max_turns=turns)


def checked(*, times: int = 1) -> CheckedTeam:
    """Return a team of two whose second message does not pass so many times."""
    left = iter(range(times))

    def passes(said: Sequence[BaseChatMessage]) -> bool | str:
        if len(said) != 3 or next(left, None) is None:
            return True
        return "That is not good enough."

    return CheckedTeam(Duo(turns=3), passes, on_fail=rollback(1, tells=False))


def checked_person() -> CheckedTeam:
    """Return a team whose first message does not pass at first, and whose second member is a person."""
    verdicts = iter(["Not yet."])
    team = RoundRobinGroupChat([Teller("ana"), UserProxyAgent("you")], name="pair", max_turns=2)
    return CheckedTeam(team, lambda said: next(verdicts, True), on_fail=rollback(1, tells=False))


def person_first() -> RoundRobinGroupChat:
    """Return a team of a person and two who say one thing each."""
    return RoundRobinGroupChat([UserProxyAgent("you"), Teller("ana"), Teller("ben")], name="trio", max_turns=3)
