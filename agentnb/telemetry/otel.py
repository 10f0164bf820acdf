"""OpenTelemetry spans drawn from logs, while they are written or afterwards.

```python
from agentnb.telemetry import instrument

instrument()  # from now on each run is a trace, for the tracer provider that the program sets
```

A program that imports AutoGen's names has that already: `agentnb.compat.autogen.install()` sees to it.

A run, a turn, a call of a model or a tool and a run of code are one span each, below what caused them; an agent is
created, as far as a log can tell, where it first takes part. A message that crosses a runtime's queue is linked
instead: its handler begins a trace of its own, unless all of it belongs to a team's run, whose trace it then stays in.
Times are those of the facts. AUTOGEN_DISABLE_RUNTIME_TRACING=true leaves the spans of messages out. Which attributes
there are, and by which version of the conventions, say `genai` and `messaging`.

While its work goes on, the span of a run, a turn, a handler, a tool, a run of code or a call of a model that does not
stream is the current one: spans that the program opens itself, or lets a library open, lie below it.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from agentnb.runlog import RunLog, observe
from agentnb.telemetry.base import follow
from agentnb.telemetry.drawing import Drawing
from agentnb.telemetry.spans import api

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider


class _Following(NamedTuple):
    provider: TracerProvider
    active: Callable[[], bool]
    end: Callable[[], None]
    default: bool
    """Whether it draws for the global provider, as there is no other."""


_followed: weakref.WeakKeyDictionary[RunLog, list[_Following]] = weakref.WeakKeyDictionary()


def follow_log(log: RunLog, tracer_provider: TracerProvider | None = None) -> Callable[[], None]:
    """Draw spans of each new fact of a log, and return the way to end that.

    Args:
        log: The log; one that is followed for the same provider already is not followed twice.
        tracer_provider: Who makes the spans, in place of the global provider that `instrument()` draws for; default:
            OpenTelemetry's global provider.

    Raises:
        MissingExtra: If OpenTelemetry is not installed.
    """
    return _follow(log, tracer_provider or api().get_tracer_provider(), lambda: True)


def _follow(
    log: RunLog, provider: TracerProvider, active: Callable[[], bool], *, default: bool = False
) -> Callable[[], None]:
    followings = _followed.setdefault(log, [])
    others = [one for one in followings if one.active()]
    if any(one.provider is provider or default for one in others):
        return lambda: None
    for other in others:
        if other.default:
            other.end()
    drawing = Drawing(log, provider, live=True)
    unwatch = follow(log, drawing.trail, lambda event: drawing.feed(event) if active() else drawing.close())

    def end() -> None:
        unwatch()
        drawing.close()
        followings[:] = [one for one in followings if one.end is not end]

    followings.append(_Following(provider, active, end, default))
    return end


def export_log(log: RunLog, tracer_provider: TracerProvider | None = None) -> None:
    """Draw the spans of a whole log at once, as of when it happened; arguments and errors as for `follow_log`."""
    drawing = Drawing(log, tracer_provider or api().get_tracer_provider(), live=False)
    for event in log:
        drawing.trail.add(event)
        drawing.feed(event)
    drawing.close()


_instrumented: Callable[[], None] | None = None


def instrument(tracer_provider: TracerProvider | None = None) -> None:
    """Draw spans for every run and runtime that begins from now on; again changes nothing but the provider.

    Args:
        tracer_provider: Who makes the spans; default: OpenTelemetry's global provider, as soon as the program has set
            one, except for runtimes and logs that are given a provider of their own.

    Raises:
        MissingExtra: If OpenTelemetry is not installed.
    """
    global _instrumented
    api()
    uninstrument()
    _instrumented = _observe(tracer_provider)


def follow_global_provider() -> Callable[[], None]:
    """Do what `instrument()` does unless it was called, and return the way to end that; needs no OpenTelemetry."""
    global _instrumented
    if _instrumented is not None:
        return lambda: None
    mine = _instrumented = _observe(None)

    def end() -> None:
        if _instrumented is mine:
            uninstrument()

    return end


def uninstrument() -> None:
    """Draw no spans any more for what `instrument` asked for."""
    global _instrumented
    if _instrumented is not None:
        _instrumented()
        _instrumented = None


def _observe(provider: TracerProvider | None) -> Callable[[], None]:
    active = True

    def opened(log: RunLog) -> None:
        drawn_for = provider or _global_provider()
        if drawn_for is not None:
            _follow(log, drawn_for, lambda: active, default=provider is None)

    unobserve = observe(opened, wanted=lambda: provider is not None or _global_provider() is not None)

    def end() -> None:
        nonlocal active
        active = False
        unobserve()

    return end


def _global_provider() -> TracerProvider | None:
    """Return the provider that the program has set; None where spans would go nowhere."""
    trace: Any = sys.modules.get("opentelemetry.trace")  # who sets one has imported it
    if trace is None:
        return None
    provider: TracerProvider = trace.get_tracer_provider()
    return None if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider) else provider
