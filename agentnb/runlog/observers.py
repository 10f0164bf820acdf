"""Who wants to see the logs of this process: readers such as tracing ask to be told of each log that is opened."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable

from agentnb.runlog.log import RunLog

_logger = logging.getLogger("agentnb.runlog")


class _Observer:
    def __init__(self, opened: Callable[[RunLog], object], wanted: Callable[[], bool]) -> None:
        self.opened = opened
        self.wanted = wanted
        self.told: weakref.WeakSet[RunLog] = weakref.WeakSet()


_observers: list[_Observer] = []


def observe(opened: Callable[[RunLog], object], *, wanted: Callable[[], bool] = lambda: True) -> Callable[[], None]:
    """Call `opened` with each log in which a run or a runtime begins; return the way to end that.

    Args:
        opened: Is called once per log, before its first fact of that run; it may `watch` the log. One that raises is
            reported to the logger `agentnb.runlog`.
        wanted: Tells whether this observer looks at all at present. Runtimes without a log of their own record their
            deliveries only while some observer does.
    """
    observer = _Observer(opened, wanted)
    _observers.append(observer)

    def end() -> None:
        if observer in _observers:
            _observers.remove(observer)

    return end


def observed() -> bool:
    """Tell whether anybody wants to see logs at present."""
    return any(observer.wanted() for observer in _observers)


def announce(log: RunLog) -> None:
    """Tell the observers that something begins in `log`."""
    for observer in tuple(_observers):
        if log in observer.told or not observer.wanted():
            continue
        observer.told.add(log)
        try:
            observer.opened(log)
        except Exception:
            _logger.exception("An observer of logs failed on the run %s.", log.id)
