"""Questions to a person that wait for what led to them to be shown."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, cast

from agentnb.core import CancellationToken
from agentnb.messages import UserInputRequestedEvent
from agentnb.runlog import Said, current

InputFunc = Callable[[str], str] | Callable[[str, CancellationToken | None], Awaitable[str]]


class UserInputManager:
    """Lets a question wait until the Console has shown what led to it, in a team as for an agent alone.

    ```python
    inputs = UserInputManager(input)
    agent = UserProxyAgent("user", input_func=inputs.get_wrapped_callback())
    await Console(agent.run_stream(task="hello"), user_input_manager=inputs)
    ```

    Without a Console that is given the same manager nobody tells it that anything is shown, and it waits.

    Args:
        callback: Asks the person: a function of the prompt, or a coroutine function of the prompt and the
            cancellation token.
    """

    def __init__(self, callback: InputFunc) -> None:
        self._callback = callback
        # Requests that were shown, each with whether it was asked by now.
        self._shown: dict[str, bool] = {}
        self._waiting: dict[asyncio.Future[None], str | None] = {}

    def get_wrapped_callback(self) -> Callable[[str, CancellationToken | None], Awaitable[str]]:
        """Return the input function to give to the agent that asks."""

        async def ask(prompt: str, cancellation_token: CancellationToken | None = None) -> str:
            await self._until_shown(cancellation_token)
            if _is_coroutine_function(self._callback):
                return cast(str, await self._callback(prompt, cancellation_token))  # type: ignore[call-arg, misc]
            asking = asyncio.ensure_future(asyncio.to_thread(cast(Callable[[str], str], self._callback), prompt))
            if cancellation_token is not None:
                cancellation_token.link_future(asking)
            return await asking

        return ask

    async def _until_shown(self, token: CancellationToken | None) -> None:
        in_run, request = _request_here()
        if in_run and request is None:
            return  # the agent asks without having said so: nothing will be shown
        if request is None:
            request = next((shown for shown, asked in self._shown.items() if not asked), None)
        if request in self._shown:
            self._shown[request] = True
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[waiting] = request
        if token is not None:
            token.link_future(waiting)
        try:
            await waiting
        finally:
            del self._waiting[waiting]

    def notify_event_received(self, request_id: str) -> None:
        """Say that everything before this request has been shown; the Console does."""
        open_ = {waiting: request for waiting, request in self._waiting.items() if not waiting.done()}
        ours = [waiting for waiting, request in open_.items() if request == request_id]
        anybodys = [waiting for waiting, request in open_.items() if request is None]
        for waiting in ours or anybodys[:1]:
            waiting.set_result(None)
        self._shown[request_id] = bool(ours or anybodys)


def _is_coroutine_function(callback: Any) -> bool:
    return inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(type(callback).__call__)


def _request_here() -> tuple[bool, str | None]:
    """Tell whether this code runs in a run, and the id of the request that was said last in the present turn."""
    here = current()
    if here is None:
        return False, None
    for fact in reversed(here.log.events):
        if fact.parent == here.parent and isinstance(fact.body, Said):
            message = fact.body.message
            if isinstance(message, UserInputRequestedEvent):
                return True, message.request_id
    return True, None
