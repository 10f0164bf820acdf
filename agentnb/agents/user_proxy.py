"""An agent that speaks for a person."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, cast

from agentnb.agents.base import BaseChatAgent
from agentnb.base import Response
from agentnb.core import CancellationToken, new_id
from agentnb.exceptions import AgentFailed, HumanUnavailable, RuntimeFault
from agentnb.messages import BaseAgentEvent, BaseChatMessage, HandoffMessage, TextMessage, UserInputRequestedEvent
from agentnb.runlog import InputAnswered, InputRequested, current

InputFuncType = Callable[[str], str] | Callable[[str, CancellationToken | None], Awaitable[str]]


class InputRequestContext:
    """Tells an input function which request it answers."""

    _request: ClassVar[ContextVar[str]] = ContextVar("agentnb_input_request")

    @classmethod
    def request_id(cls) -> str:
        """Return the id of the request.

        Raises:
            RuntimeError: Outside of an input function.
        """
        try:
            return cls._request.get()
        except LookupError:
            raise RuntimeFault("request_id() is known inside of an input function only.") from None

    @classmethod
    @contextmanager
    def populate(cls, request_id: str) -> Iterator[None]:
        """Make a request known while the block runs."""
        token = cls._request.set(request_id)
        try:
            yield
        finally:
            cls._request.reset(token)


class UserProxyAgent(BaseChatAgent):
    """Asks a person and says what was answered.

    In a notebook the question appears in the cell; in a terminal it is read from standard input. With nobody there
    to answer it raises `HumanUnavailable` instead of waiting.

    Args:
        name: A Python identifier.
        description: As others read it.
        input_func: Answers a prompt in place of the person: a function of the prompt, or a coroutine function of
            the prompt and a cancellation token.
    """

    InputRequestContext = InputRequestContext

    def __init__(
        self, name: str, *, description: str = "A human user", input_func: InputFuncType | None = None
    ) -> None:
        super().__init__(name, description)
        self._input = input_func

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage, HandoffMessage)

    @property
    def asks_person(self) -> bool:
        return self._input is None

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        async with aclosing(self.on_messages_stream(messages, cancellation_token)) as items:
            async for item in items:
                if isinstance(item, Response):
                    return item
        raise AgentFailed(f"The agent {self.name!r} ended without an answer.")

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | Response, None]:
        last = messages[-1] if messages else None
        if isinstance(last, HandoffMessage) and last.target != self.name:
            raise RuntimeFault(f"{last.source} handed over to {last.target!r}, but {self.name!r} was asked.")
        request = UserInputRequestedEvent(request_id=new_id(), source=self.name)
        yield request
        prompt = "Enter your answer: "
        if isinstance(last, HandoffMessage):
            prompt = f"{last.source} hands over to you. Enter your answer: "
        try:
            with InputRequestContext.populate(request.request_id):
                text = await self._ask(prompt, request.request_id, cancellation_token)
        except (asyncio.CancelledError, HumanUnavailable):
            raise
        except Exception as error:
            raise RuntimeFault(f"The input of {self.name!r} failed: {error}") from error
        answer: BaseChatMessage
        if isinstance(last, HandoffMessage):
            answer = HandoffMessage(content=text, target=last.source, source=self.name)
        else:
            answer = TextMessage(content=text, source=self.name)
        yield Response(chat_message=answer, inner_messages=[request])

    async def _ask(self, prompt: str, request_id: str, token: CancellationToken) -> str:
        here = current()
        if self._input is None and here is not None and here.log.attended:
            asking = asyncio.ensure_future(here.log.ask(prompt))
            token.link_future(asking)
            return await asking
        if self._input is None and (sys.stdin is None or not sys.stdin.isatty()):
            raise HumanUnavailable(
                f"The agent {self.name!r} wants to ask a person, but nobody is there to answer. "
                "Give it input_func=… to answer in a program, or run it in a notebook or a terminal."
            )
        if inspect.iscoroutinefunction(self._input) or inspect.iscoroutinefunction(type(self._input).__call__):
            text = await cast(Callable[[str, CancellationToken | None], Awaitable[str]], self._input)(prompt, token)
        else:
            asked: Callable[[str], Any] = cast(Callable[[str], str], self._input or input)
            waiting = asyncio.ensure_future(asyncio.to_thread(asked, prompt))
            token.link_future(waiting)
            text = await waiting
        if here is not None:
            # Told with its answer: until then a page would show a question that nobody takes an answer for.
            here.log.append(InputRequested(input_id=request_id, prompt=prompt))
            here.log.append(
                InputAnswered(input_id=request_id, text=text, by="input_func" if self._input else "terminal")
            )
        return text

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        """A person keeps no state here."""
