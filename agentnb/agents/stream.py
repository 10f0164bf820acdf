"""What is shown while work goes on, as an asynchronous generator.

Work that shows something awaits a function that takes it. Who is near gives one that does at once what is to be done
with it, and no generator is needed on the way; who iterates gets `streamed`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from types import coroutine as generator_coroutine
from typing import Any

Work = Callable[[Callable[[Any], "Shown"]], Coroutine[Any, Any, None]]
"""Given what it is to await with each item, returns a coroutine."""


class Shown:
    """An item on its way: awaiting it hands it to who drives the work, as awaiting a future hands that to the loop."""

    __slots__ = ("item",)

    def __init__(self, item: Any) -> None:
        self.item = item

    def __await__(self) -> Generator[Shown, None, None]:
        yield self


async def streamed(work: Work) -> AsyncGenerator[Any, None]:
    """Yield what some work shows; it goes on when the next item is asked for, in the task of who asks."""
    working = work(Shown)
    thrown: BaseException | None = None
    while (shown := await _next_shown(working, thrown)) is not None:
        thrown = None
        try:
            yield shown.item
        except BaseException as error:  # the end of the generator, too: the work cleans up where it stands
            thrown = error


@generator_coroutine
def _next_shown(working: Coroutine[Any, Any, None], thrown: BaseException | None) -> Generator[Any, Any, Shown | None]:
    """Let work go on until it shows something; return that, or None at its end."""
    try:
        waits_for = working.send(None) if thrown is None else working.throw(thrown)
        while type(waits_for) is not Shown:
            try:
                got = yield waits_for
            except GeneratorExit:
                working.close()
                raise
            except BaseException as error:
                waits_for = working.throw(error)
            else:
                waits_for = working.send(got)
    except StopIteration:
        return None
    return waits_for
