"""Facts of a runtime's deliveries as spans: AutoGen's names and attributes, and those of the messaging conventions.

The conventions are OpenTelemetry's semantic conventions 1.41 (status "development"). They have replaced AutoGen's
`messaging.operation` and `messaging.destination` by `messaging.operation.type` and `messaging.destination.name`; spans
carry both.
"""

from __future__ import annotations

import json
from typing import Any

from agentnb.runlog import (
    EnvelopeDelivered,
    EnvelopeDropped,
    EnvelopeHandled,
    EnvelopeIntercepted,
    EnvelopeSent,
)
from agentnb.telemetry.genai import captures_content
from agentnb.telemetry.spans import PROVIDER, Closing, Kind, Opening

# By operation: the span's kind, AutoGen's word for it, and the conventions' type.
_OPERATIONS: dict[str, tuple[Kind, str, str]] = {
    "create": ("PRODUCER", "create", "create"),
    "send": ("PRODUCER", "publish", "send"),
    "publish": ("PRODUCER", "publish", "send"),
    "process": ("CONSUMER", "process", "process"),
    "ack": ("CONSUMER", "receive", "receive"),
    "intercept": ("CONSUMER", "receive", "receive"),
}


def destination(body: EnvelopeSent | EnvelopeDropped) -> str:
    """Return where a message goes, as AutoGen writes it: `type.(key)-A` for an agent, `type.(source)-T` for a topic."""
    return _written(body.recipient, "T" if body.sort == "publish" else "A")


def of_creation(body: EnvelopeSent) -> Opening:
    """Return the span of a message that is given to a runtime."""
    opening = _opening("create", destination(body), body.message_id)
    opening.attributes["messaging.message.type"] = body.type
    return opening


def of_sending(body: EnvelopeSent) -> Opening:
    """Return the span of a message on its way to its handler."""
    return _opening("publish" if body.sort == "publish" else "send", destination(body), body.message_id)


def of_interception(body: EnvelopeIntercepted | EnvelopeDropped) -> Opening:
    """Return the span of an intervention handler that sees a message."""
    return _opening("intercept", body.by, body.message_id)


def of_processing(body: EnvelopeDelivered, cause: Any, classes: dict[str, str]) -> Opening:
    """Return the span of a handler at work.

    Args:
        body: The delivery.
        cause: The body of the fact that caused it: what was sent, if that is known.
        classes: The classes of agents seen so far, by type.
    """
    opening = _opening("process", _written(body.agent, "A"), body.message_id)
    context = {
        "sender": body.sender,
        "topic_id": body.topic,
        "is_rpc": body.sort == "send",
        "message_id": body.message_id,
    }
    attributes = opening.attributes
    attributes["message_context"] = json.dumps(context)
    for role, agent in (("sender", body.sender), ("recipient", body.agent)):
        if agent is not None:
            type_ = agent_type(agent)
            attributes[f"{role}_agent_type"] = type_
            if type_ in classes:
                attributes[f"{role}_agent_class"] = classes[type_]
    if isinstance(cause, EnvelopeSent) and captures_content():
        attributes["message"] = cause.payload
    return opening


def of_acknowledgement(body: EnvelopeDelivered) -> Opening:
    """Return the span of a response on its way to who waits for it."""
    return _opening("ack", _written(body.agent, "A"), body.message_id)


def of_loss(body: EnvelopeDropped) -> tuple[Opening, Closing]:
    """Return the span of a published message that one of its recipients will not get."""
    return _opening("process", _written(body.recipient, "A"), body.message_id), dropped_closing(body)


def handled_closing(body: EnvelopeHandled) -> Closing:
    """Return how the span of a handler ends."""
    if body.outcome != "failed":
        return Closing({})
    return Closing({}, body.error_type or "_OTHER", body.error or "")


def dropped_closing(body: EnvelopeDropped) -> Closing:
    """Return how the span of a message ends that is dropped."""
    return Closing({}, "MessageDroppedException", f"dropped by {body.by}" + (f": {body.why}" if body.why else ""))


def agent_type(agent: str) -> str:
    """Return the type of an agent's id "type/key"."""
    return agent.partition("/")[0]


def _opening(operation: str, where: str, message_id: str) -> Opening:
    kind, autogen, type_ = _OPERATIONS[operation]
    attributes: dict[str, Any] = {
        "messaging.operation": autogen,
        "messaging.operation.name": operation,
        "messaging.operation.type": type_,
        "messaging.system": PROVIDER,
        "messaging.destination": where,
        "messaging.destination.name": where,
        "messaging.message.id": message_id,
    }
    return Opening(f"autogen {operation} {where}".rstrip(), kind, attributes)


def _written(address: str | None, sort: str) -> str:
    if address is None:
        return ""
    type_, _, rest = address.partition("/")
    return f"{type_}.({rest})-{sort}"
