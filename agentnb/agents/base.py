"""What every agent has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from agentnb.agents.stream import streamed
from agentnb.base import BrokenOff, ChatAgent, Response, take_turn
from agentnb.base.agent import Show, Tell, shown_by, warn_of_two
from agentnb.base.reader import Reader
from agentnb.base.restoring import Told, remind, said_below, taken_up
from agentnb.core import CancellationToken, EventId
from agentnb.core.arguments import require_text
from agentnb.core.cancellation import unless_cancelled
from agentnb.exceptions import AgentFailed, UserError
from agentnb.messages import BaseAgentEvent, BaseChatMessage
from agentnb.runlog import Run, RunLog
from agentnb.runlog.story import Story, Turn


@lru_cache(maxsize=256)
def _answers_by_itself(cls: type[BaseChatAgent]) -> bool:
    """Whether a subclass wrote its own `on_messages` over that of a base whose stream it leaves as it is."""
    for one in cls.__mro__:
        if "on_messages_stream" in vars(one):
            return False
        if "on_messages" in vars(one):
            return True
    return False


class BaseChatAgent(ChatAgent, ABC):
    """An agent with a name and a description; subclasses write `on_messages` and `on_reset`.

    ```python
    class Echo(BaseChatAgent):
        produced_message_types = (TextMessage,)

        async def on_messages(self, messages, cancellation_token):
            return Response(chat_message=TextMessage(content=messages[-1].to_text(), source=self.name))

        async def on_reset(self, cancellation_token): ...
    ```

    Raises:
        ValueError: If `name` is no Python identifier.
        TypeError: If it or `description` is no text.
    """

    def __init__(self, name: str, description: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"The agent name is {name!r:.80}; it must be a text such as 'ana'.")
        if not name.isidentifier():
            raise UserError(
                f"The agent name {name!r} is no Python identifier: letters, digits and '_' only, no digit first. "
                f"Try {_identifier(name)!r}."
            )
        require_text(f"The description of the agent {name!r}", description)
        self._name = name
        self._description = description

    @property
    def name(self) -> str:
        return self._name

    @property
    def description(self) -> str:
        return self._description

    @abstractmethod
    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        """Answer new messages."""

    @shown_by(lambda agent: agent._show_answer)
    def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | Response, None]:
        return streamed(partial(self._show_answer, messages, cancellation_token))

    async def _show_answer(
        self,
        messages: Sequence[BaseChatMessage],
        cancellation_token: CancellationToken,
        show: Show,
        tell: Tell | None = None,
    ) -> None:
        """Show what `on_messages` returns."""
        answering: Any = self.on_messages(messages, cancellation_token)
        if not hasattr(answering, "__await__"):
            raise AgentFailed(
                f"on_messages of the agent {self.name!r} returned {type(answering).__name__} and is no coroutine "
                "function: write it with `async def`."
            )
        response = await answering
        if not isinstance(response, Response):
            raise AgentFailed(
                f"on_messages of the agent {self.name!r} returned {response!r:.80}; it must return a Response: "
                "Response(chat_message=…)."
            )
        for message in response.inner_messages or ():
            await show(message)
        await show(response)

    async def _answer_streamed(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> Response:
        """Return the answer of `on_messages_stream`, for agents that write that one."""
        async with aclosing(self.on_messages_stream(messages, cancellation_token)) as items:
            answer: Response | None = None
            async for item in items:
                if isinstance(item, Response):
                    if answer is not None:
                        warn_of_two(self)
                    answer = item
        if answer is None:
            raise AgentFailed(
                f"The agent {self.name!r} ended without an answer: its on_messages_stream must yield a "
                "Response(chat_message=…) last."
            )
        return answer

    async def _perform(
        self, task: list[BaseChatMessage], run: Run, cancellation_token: CancellationToken | None, echo: bool
    ) -> None:
        started: Any = run.started.body
        broken, self._broken = self._broken if started.resumed else None, None
        if broken is None and started.continues is None and self._keeps():
            await unless_cancelled(run.note_state(self.name, self.save_state), cancellation_token)
        for message in task:
            run.say(message, show=echo)
        if broken is not None and broken.over:
            return  # it broke off between the end of its turn and its own
        told = task if broken is None else broken.task
        again = broken.again() if broken is not None else None
        speak = None
        if run.sink is None and _answers_by_itself(type(self)):
            # As AutoGen's `run`, which a subclass changes by its `on_messages`; a stream and a team do not ask it.
            speak = self._show_answer
        # A tool, code or a question is begun when who iterates asks for what comes behind its announcement.
        reader = run.sink if isinstance(run.sink, Reader) else None
        if reader is not None:
            await unless_cancelled(reader.caught_up(), cancellation_token)
        token = cancellation_token or CancellationToken()
        turn = take_turn(self, told, run, token, again=again, speak=speak, reader=reader)
        await unless_cancelled(turn, cancellation_token)

    _broken: BrokenTurn | None = None

    def _continues(self) -> EventId | None:
        # One that was reset goes on with nothing.
        return None if self._keeps() == [] and self._broken is None else self._last_run

    async def _retell(self, told: Sequence[Told]) -> None:
        await self.on_reset(CancellationToken())
        await remind(self, told)
        here, story = told[-1]
        self._last_run = story.started.id
        if not story.done:
            first = max(place for place, (_, one) in enumerate(told) if not one.resumed)
            self._broken = BrokenTurn(here, [one for _, one in told[first:]])

    async def on_pause(self, cancellation_token: CancellationToken) -> None:
        """Nothing to hold on by default."""

    async def on_resume(self, cancellation_token: CancellationToken) -> None:
        """Nothing to take up by default."""

    async def save_state(self) -> Mapping[str, Any]:
        return {"type": "BaseState", "version": "1.0.0"}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Nothing is kept by default."""

    def _has_state(self) -> bool:
        return self._keeps() is None and type(self).save_state is not BaseChatAgent.save_state

    async def close(self) -> None:
        """Nothing is held by default."""


@dataclass(frozen=True)
class BrokenTurn:
    """The run of an agent that was broken off: its one turn."""

    log: RunLog
    stories: list[Story]
    """The run, and before it those that it had taken up in its turn."""

    @property
    def task(self) -> list[BaseChatMessage]:
        """What the agent was told."""
        return self.stories[0].task()

    @property
    def _turns(self) -> list[Turn]:
        return [step for story in self.stories for _, step in story.steps if isinstance(step, Turn)]

    @property
    def over(self) -> bool:
        """Whether the turn had come to its end."""
        return any(turn.done for turn in self._turns)

    @property
    def has_task(self) -> bool:
        return bool(self.task) or self.stories[0].started.body.continues is not None  # type: ignore[attr-defined]

    def again(self) -> BrokenOff | None:
        """Return what is known of the turn, if it had begun."""
        return taken_up(self.log, self._turns[-1]) if self._turns else None

    def taken_back(self) -> list[int]:
        return said_below(self.log, [turn for turn in self._turns if not turn.done])


def check_state(agent: ChatAgent, state: Any, *keys: str) -> None:
    """Refuse what is no state of an agent's kind, before anything is changed.

    Raises:
        ValueError: If it is no mapping, lacks one of the keys, or holds something else in them or in `unanswered`.
    """
    whose = f"The state given to the agent {agent.name!r}"
    if not isinstance(state, Mapping):
        raise UserError(f"{whose} is {state!r:.60}; it must be what save_state() returned.")
    for key in keys:
        if not isinstance(state.get(key), Mapping):
            what = f"{key!r} is {state[key]!r:.60}" if key in state else f"there is no {key!r}"
            raise UserError(f"{whose} is of no {type(agent).__name__}: {what} (type: {state.get('type')!r}).")
    unanswered = state.get("unanswered", ())
    if isinstance(unanswered, str) or not all(isinstance(one, str) for one in unanswered):
        raise UserError(f"{whose} says {unanswered!r:.60} is 'unanswered'; these must be ids of messages.")


def _identifier(name: str) -> str:
    plain = "".join(c if c.isalnum() or c == "_" else "_" for c in name)
    return plain if plain.isidentifier() else f"agent_{plain}"
