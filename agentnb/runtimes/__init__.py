"""Where actors live and how messages reach them."""

from __future__ import annotations

from agentnb.runtimes.actors import AgentProxy, BaseAgent, handles
from agentnb.runtimes.base import Agent, AgentRuntime, MessageContext, Request, Subscription
from agentnb.runtimes.capacity import Breaker, Capacity
from agentnb.runtimes.closure import ClosureAgent, ClosureContext
from agentnb.runtimes.contexts import (
    AgentInstantiationContext,
    MessageHandlerContext,
    SubscriptionInstantiationContext,
)
from agentnb.runtimes.intervention import DefaultInterventionHandler, DropMessage, InterventionHandler
from agentnb.runtimes.local import SingleThreadedAgentRuntime
from agentnb.runtimes.routed import RoutedAgent, event, message_handler, rpc
from agentnb.runtimes.serialization import (
    JSON_DATA_CONTENT_TYPE,
    PROTOBUF_DATA_CONTENT_TYPE,
    DataclassJsonMessageSerializer,
    MessageSerializer,
    ProtobufMessageSerializer,
    PydanticJsonMessageSerializer,
    SerializationRegistry,
    UnknownPayload,
    try_get_known_serializers_for_type,
)
from agentnb.runtimes.statistics import AgentStatistics, Statistics
from agentnb.runtimes.subscriptions import (
    DefaultSubscription,
    DefaultTopicId,
    TypePrefixSubscription,
    TypeSubscription,
    default_subscription,
    subscription_factory,
    type_subscription,
)

__all__ = [
    "JSON_DATA_CONTENT_TYPE",
    "PROTOBUF_DATA_CONTENT_TYPE",
    "Agent",
    "AgentInstantiationContext",
    "AgentProxy",
    "AgentRuntime",
    "AgentStatistics",
    "BaseAgent",
    "Breaker",
    "Capacity",
    "ClosureAgent",
    "ClosureContext",
    "DataclassJsonMessageSerializer",
    "DefaultInterventionHandler",
    "DefaultSubscription",
    "DefaultTopicId",
    "DropMessage",
    "InterventionHandler",
    "MessageContext",
    "MessageHandlerContext",
    "MessageSerializer",
    "ProtobufMessageSerializer",
    "PydanticJsonMessageSerializer",
    "Request",
    "RoutedAgent",
    "SerializationRegistry",
    "SingleThreadedAgentRuntime",
    "Statistics",
    "Subscription",
    "SubscriptionInstantiationContext",
    "TypePrefixSubscription",
    "TypeSubscription",
    "UnknownPayload",
    "default_subscription",
    "event",
    "handles",
    "message_handler",
    "rpc",
    "subscription_factory",
    "try_get_known_serializers_for_type",
    "type_subscription",
]
