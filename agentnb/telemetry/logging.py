"""AutoGen's event logger, fed from logs.

A program that listens as AutoGen's documents say needs nothing more than this module imported:

```python
import logging
from agentnb.telemetry.logging import EVENT_LOGGER_NAME

logging.getLogger(EVENT_LOGGER_NAME).setLevel(logging.INFO)
logging.getLogger(EVENT_LOGGER_NAME).addHandler(logging.StreamHandler())
```

Importing it calls `install()`, which costs nothing while nobody listens: events are made only for a logger that is
enabled for INFO and has a handler, and they go to that handler alone.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from typing import Any

from agentnb.runlog import (
    AgentMade,
    EnvelopeDelivered,
    EnvelopeDropped,
    EnvelopeHandled,
    EnvelopeSent,
    Event,
    ModelFinished,
    ModelStarted,
    RunLog,
    ToolFinished,
    ToolStarted,
    observe,
)
from agentnb.telemetry.base import Trail, follow, shown_to
from agentnb.telemetry.events import (
    AgentConstructionExceptionEvent,
    DeliveryStage,
    LLMCallEvent,
    LLMStreamEndEvent,
    LLMStreamStartEvent,
    MessageDroppedEvent,
    MessageEvent,
    MessageHandlerExceptionEvent,
    MessageKind,
    ToolCallEvent,
)

ROOT_LOGGER_NAME = "autogen_core"
EVENT_LOGGER_NAME = "autogen_core.events"
TRACE_LOGGER_NAME = "autogen_core.trace"

_logger = logging.getLogger(EVENT_LOGGER_NAME)
_KINDS = {"send": MessageKind.DIRECT, "publish": MessageKind.PUBLISH, "response": MessageKind.RESPOND}
_installed: Callable[[], None] | None = None
_followed: weakref.WeakSet[RunLog] = weakref.WeakSet()


class _Events:
    """Draws events from the facts of one log."""

    def __init__(self, log: RunLog) -> None:
        self.log = log
        self.trail = Trail()
        self._steps: dict[str, Callable[[Event, Any], None]] = {
            "agent.made": self._made,
            "envelope.sent": self._sent,
            "envelope.delivered": self._delivered,
            "envelope.handled": self._handled,
            "envelope.dropped": self._dropped,
            "model.started": self._asked,
            "model.finished": self._answered,
            "tool.finished": self._called,
        }

    def feed(self, event: Event) -> None:
        step = self._steps.get(event.kind)
        if step is not None and _logger.isEnabledFor(logging.INFO):
            step(event, event.body)

    def _emit(self, event: Event, drawn: Any) -> None:
        if drawn.kwargs.get("agent_id", "") is None:
            drawn.kwargs["agent_id"] = self.trail.agent(event)
        _logger.info(drawn)

    def _made(self, event: Event, body: AgentMade) -> None:
        if body.error is not None:
            self._emit(event, AgentConstructionExceptionEvent(agent_id=body.agent, exception=body.error))

    def _sent(self, event: Event, body: EnvelopeSent) -> None:
        self._message(event, body.payload, body.sender, body.recipient, body.sort, DeliveryStage.SEND)

    def _delivered(self, event: Event, body: EnvelopeDelivered) -> None:
        receiver = None if body.sort == "publish" else body.agent
        self._message(event, self._payload(event), body.sender, receiver, body.sort, DeliveryStage.DELIVER)

    def _message(
        self, event: Event, payload: str, sender: str | None, receiver: str | None, sort: str, stage: DeliveryStage
    ) -> None:
        drawn = MessageEvent(payload=payload, sender=sender, receiver=receiver, kind=_KINDS[sort], delivery_stage=stage)
        self._emit(event, drawn)

    def _handled(self, event: Event, body: EnvelopeHandled) -> None:
        if body.outcome != "failed":
            return
        said = f"{body.error_type}: {body.error}" if body.error and body.error_type else body.error or body.error_type
        self._emit(
            event,
            MessageHandlerExceptionEvent(
                payload=self._payload(event), handling_agent=body.agent, exception=said or "unknown"
            ),
        )

    def _dropped(self, event: Event, body: EnvelopeDropped) -> None:
        drawn = MessageDroppedEvent(
            payload=self._payload(event), sender=body.sender, receiver=body.recipient, kind=_KINDS[body.sort]
        )
        self._emit(event, drawn)

    def _payload(self, event: Event) -> str:
        message_id = getattr(event.body, "message_id", None)
        for cause in self.trail.causes(event):
            if isinstance(cause.body, EnvelopeSent) and cause.body.message_id == message_id:
                return cause.body.payload
        return ""

    def _asked(self, event: Event, body: ModelStarted) -> None:
        if body.streaming and not self._within_a_call(event):
            self._emit(event, LLMStreamStartEvent(messages=self._messages(event)))

    def _answered(self, event: Event, body: ModelFinished) -> None:
        asked = self.trail.cause(event)
        started = asked.body if asked else None
        if body.result is None or asked is None or not isinstance(started, ModelStarted) or self._within_a_call(asked):
            return
        usage = body.result.usage
        answer: dict[str, Any] = {
            "response": body.result.model_dump(mode="json"),
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
        }
        if started.streaming:
            self._emit(event, LLMStreamEndEvent(**answer))
        else:
            self._emit(event, LLMCallEvent(messages=self._messages(asked), tools=list(started.tools), **answer))

    def _within_a_call(self, asked: Event) -> bool:
        # A client that wraps another one is one call.
        cause = self.trail.cause(asked)
        return cause is not None and cause.kind == "model.started"

    def _messages(self, asked: Event) -> list[dict[str, Any]]:
        return [message.model_dump(mode="json") for message in shown_to(self.log, asked)]

    def _called(self, event: Event, body: ToolFinished) -> None:
        started = self.trail.cause(event)
        if not body.is_error and started is not None and isinstance(started.body, ToolStarted):
            self._emit(event, ToolCallEvent(tool_name=body.tool, arguments=started.body.arguments, result=body.result))


def log_events(log: RunLog) -> Callable[[], None]:
    """Emit AutoGen's events for each new fact of a log, and return the way to end that.

    One send gives four: sent and delivered, and the same for its response; one publish gives one and one more for each
    recipient. A model's call gives one when it is answered, or one when its stream begins and one when it ends.
    """
    events = _Events(log)
    return follow(log, events.trail, events.feed)


def install() -> None:
    """Emit AutoGen's events for every run and runtime that begins from now on; again changes nothing."""
    global _installed
    if _installed is None:
        _installed = observe(_opened, wanted=_listened_to)


def uninstall() -> None:
    """Emit no events any more."""
    global _installed
    if _installed is not None:
        _installed()
        _installed = None


def _opened(log: RunLog) -> None:
    if log in _followed:
        return
    _followed.add(log)
    events = _Events(log)
    follow(log, events.trail, lambda event: events.feed(event) if _installed else None)


def _listened_to() -> bool:
    return _logger.isEnabledFor(logging.INFO) and _logger.hasHandlers()


install()
