"""AutoGen's structured events: what the logger `autogen_core.events` is given.

`str(event)` is one JSON object, `event.kwargs` the dict it is made of.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from agentnb.core import AgentId, TopicId
from agentnb.telemetry.base import agent_here

Address = AgentId | TopicId | str | None
Failure = BaseException | str


class MessageKind(Enum):
    """How a message travels."""

    DIRECT = 1
    PUBLISH = 2
    RESPOND = 3


class DeliveryStage(Enum):
    """Where on its way a message is."""

    SEND = 1
    DELIVER = 2


class _LogEvent:
    """One thing that happened, as keys and values."""

    def __init__(self, type: str, /, **kwargs: Any) -> None:
        self.kwargs: dict[str, Any] = {"type": type, **kwargs}

    def __str__(self) -> str:
        try:
            return to_json(self.kwargs, fallback=str, inf_nan_mode="strings").decode()
        except PydanticSerializationError:  # half an emoji: escaped, it is JSON again
            return json.dumps(self.kwargs, default=str)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in self.kwargs.items())})"


class _AnswerEvent(_LogEvent):
    @property
    def prompt_tokens(self) -> int:
        return int(self.kwargs["prompt_tokens"])

    @property
    def completion_tokens(self) -> int:
        return int(self.kwargs["completion_tokens"])


class LLMCallEvent(_AnswerEvent):
    """A model was asked and answered; token counts are those the server reported."""

    def __init__(
        self,
        *,
        messages: Sequence[Mapping[str, Any]],
        response: Mapping[str, Any],
        prompt_tokens: int,
        completion_tokens: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            "LLMCall",
            messages=messages,
            response=response,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            **{"agent_id": agent_here("handling"), **kwargs},
        )


class LLMStreamStartEvent(_LogEvent):
    """A model was asked and will answer in pieces."""

    def __init__(self, *, messages: Sequence[Mapping[str, Any]], **kwargs: Any) -> None:
        super().__init__("LLMStreamStart", messages=messages, **{"agent_id": agent_here("handling"), **kwargs})


class LLMStreamEndEvent(_AnswerEvent):
    """A model's answer in pieces is complete."""

    def __init__(
        self, *, response: Mapping[str, Any], prompt_tokens: int, completion_tokens: int, **kwargs: Any
    ) -> None:
        super().__init__(
            "LLMStreamEnd",
            response=response,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            **{"agent_id": agent_here("handling"), **kwargs},
        )


class ToolCallEvent(_LogEvent):
    """A tool was called and returned."""

    def __init__(self, *, tool_name: str, arguments: Mapping[str, Any], result: str) -> None:
        super().__init__(
            "ToolCall", tool_name=tool_name, arguments=arguments, result=result, agent_id=agent_here("handling")
        )


class MessageEvent(_LogEvent):
    """A message was given to a runtime, or reached an agent."""

    def __init__(
        self,
        *,
        payload: str,
        sender: Address,
        receiver: Address,
        kind: MessageKind,
        delivery_stage: DeliveryStage,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            "Message",
            payload=payload,
            sender=_text(sender),
            receiver=_text(receiver),
            kind=str(kind),
            delivery_stage=str(delivery_stage),
            **kwargs,
        )


class MessageDroppedEvent(_LogEvent):
    """A message will not arrive."""

    def __init__(self, *, payload: str, sender: Address, receiver: Address, kind: MessageKind) -> None:
        super().__init__(
            "MessageDropped", payload=payload, sender=_text(sender), receiver=_text(receiver), kind=str(kind)
        )


class MessageHandlerExceptionEvent(_LogEvent):
    """An agent's handler raised."""

    def __init__(self, *, payload: str, handling_agent: AgentId | str, exception: Failure) -> None:
        super().__init__(
            "MessageHandlerException", payload=payload, handling_agent=str(handling_agent), exception=str(exception)
        )


class AgentConstructionExceptionEvent(_LogEvent):
    """An agent could not be made."""

    def __init__(self, *, agent_id: AgentId | str, exception: Failure) -> None:
        super().__init__("AgentConstructionException", agent_id=str(agent_id), exception=str(exception))


def _text(address: Address) -> str | None:
    return None if address is None else str(address)
