"""An agent that speaks for a person."""

from __future__ import annotations

import asyncio
import inspect
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar

from agentnb.agents import person
from agentnb.agents.base import BaseChatAgent
from agentnb.agents.import_path import imported, keep_path
from agentnb.base import Response
from agentnb.core import CancellationToken, ComponentModel, new_id
from agentnb.core.arguments import require_function
from agentnb.core.cancellation import unless_cancelled
from agentnb.exceptions import HumanUnavailable, RuntimeFault
from agentnb.messages import BaseAgentEvent, BaseChatMessage, HandoffMessage, TextMessage, UserInputRequestedEvent

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
        input_func: Answers a prompt in place of the person: a function of the prompt, called in a thread, or a
            coroutine function of the prompt and a cancellation token. Configs hold the path it is imported from,
            which may be given too; one that has none is left out of them, with a warning.

    Raises:
        TypeError: If `input_func` cannot be called.
    """

    InputRequestContext = InputRequestContext

    def __init__(
        self, name: str, *, description: str = "A human user", input_func: InputFuncType | str | None = None
    ) -> None:
        super().__init__(name, description)
        if input_func is not None and not isinstance(input_func, str):
            like = "a function that takes a prompt and returns the answer"
            require_function(f"The input_func of the agent {name!r}", input_func, like)
        self._input: Callable[..., Any] | None
        self._input = imported(input_func, "input_func") if isinstance(input_func, str) else input_func
        self._named = keep_path(self, "input_func", input_func, or_drop=True)

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage, HandoffMessage)

    @property
    def asks_person(self) -> bool:
        return self._input is None

    def dump_component(self) -> ComponentModel:
        if not self._named:
            warnings.warn(
                f"The input_func of {self.name!r} is left out of its config: {self._input!r} has no path it can be "
                "imported from. Define it in a module to keep it; made from this config, the agent asks a person.",
                UserWarning,
                stacklevel=2,
            )
        return super().dump_component()

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        return await self._answer_streamed(messages, cancellation_token)

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | Response, None]:
        last = messages[-1] if messages else None
        if isinstance(last, HandoffMessage) and last.target != self.name:
            raise RuntimeFault(
                f"{last.source} handed over to {last.target!r}, but {self.name!r} was asked. Hand over to "
                f"{self.name!r}, or let a Swarm choose the speakers."
            )
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
            what = str(error) or type(error).__name__
            raise RuntimeFault(f"The input of {self.name!r} failed: {what}") from error
        answer: BaseChatMessage
        if isinstance(last, HandoffMessage):
            answer = HandoffMessage(content=text, target=last.source, source=self.name)
        else:
            answer = TextMessage(content=text, source=self.name)
        yield Response(chat_message=answer, inner_messages=[request])

    async def _ask(self, prompt: str, request_id: str, token: CancellationToken) -> str:
        text = await unless_cancelled(self._answer(prompt, request_id, token), token)
        if not isinstance(text, str):
            raise TypeError(f"it gave {text!r:.80}, which is no text")
        return text

    async def _answer(self, prompt: str, request_id: str, token: CancellationToken) -> Any:
        given = self._input
        if given is None:
            way_out = "Give it input_func=… to answer in a program, or run it in a notebook or a terminal."
            who = f"The agent {self.name!r}"
            return (await person.ask(prompt, who=who, way_out=way_out, input_id=request_id)).text
        before = person.answered_before(prompt)
        if before is not None:
            return before.text
        text: Any
        with person.asked(request_id, prompt, "input_func") as answered:
            if inspect.iscoroutinefunction(given) or inspect.iscoroutinefunction(type(given).__call__):
                text = given(prompt, token)
            else:
                text = await person.in_thread(given, prompt)
            if inspect.isawaitable(text):
                text = await text
            if isinstance(text, str):
                answered(text)
        return text

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        """A person keeps no state here."""
