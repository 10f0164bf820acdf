"""The recipients of a topic, found by index: what others subscribe to costs nothing."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from typing import Any

from agentnb.core import AgentId, TopicId
from agentnb.exceptions import UserError
from agentnb.runtimes.base import Subscription
from agentnb.runtimes.subscriptions import TypePrefixSubscription, TypeSubscription

_KNOWN = 4096


class Routes:
    """Who hears each topic; answers are kept for the topics used last."""

    def __init__(self) -> None:
        self._ids: dict[str, Subscription] = {}
        # Dictionaries as ordered sets: adding and removing one subscription costs the same among 10,000.
        self._by_type: dict[str, dict[str, Subscription]] = {}
        self._by_prefix: dict[str, dict[str, Subscription]] = {}
        self._prefix_lengths: dict[int, int] = {}
        self._others: dict[str, Subscription] = {}
        self._said: set[tuple[type, str, str]] = set()
        self._order: dict[str, int] = {}
        self._changes = 0
        self._known: OrderedDict[tuple[str, str], tuple[int, tuple[AgentId, ...]]] = OrderedDict()

    def add(self, subscription: Subscription) -> None:
        """Add a subscription, in constant time.

        Raises:
            ValueError: If an equal one is there already.
        """
        says = _says(subscription)
        if says is None and (inspect.isclass(subscription) or not isinstance(subscription, Subscription)):
            raise UserError(
                f"add_subscription needs a subscription, not {subscription!r}; "
                "write TypeSubscription('news', 'writer')."
            )
        if (
            subscription.id in self._ids
            or says in self._said
            or (says is None and any(subscription == other for other in self._others.values()))
        ):
            raise UserError(f"The subscription {subscription!r} (id {subscription.id!r}) exists already.")
        self._ids[subscription.id] = subscription
        self._changes += 1
        self._order[subscription.id] = self._changes
        if says is not None:
            self._said.add(says)
        self._index(subscription)[subscription.id] = subscription
        if says is not None and says[0] is TypePrefixSubscription:
            self._prefix_lengths[len(says[1])] = self._prefix_lengths.get(len(says[1]), 0) + 1

    def remove(self, id: str) -> None:
        """Remove a subscription, in constant time.

        Raises:
            ValueError: If there is none of that id.
        """
        subscription = self._ids.pop(id, None)
        if subscription is None:
            raise UserError(f"No subscription has the id {id!r}.")
        self._changes += 1
        del self._order[id]
        says = _says(subscription)
        if says is not None:
            self._said.discard(says)
        alike = self._index(subscription)
        del alike[id]
        if says is None:
            return
        kind, text, _ = says
        if kind is TypePrefixSubscription:
            self._prefix_lengths[len(text)] -= 1
            if not self._prefix_lengths[len(text)]:
                del self._prefix_lengths[len(text)]
        if not alike:
            del (self._by_prefix if kind is TypePrefixSubscription else self._by_type)[text]

    def _index(self, subscription: Subscription) -> dict[str, Subscription]:
        says = _says(subscription)
        if says is None:
            return self._others
        return (self._by_prefix if says[0] is TypePrefixSubscription else self._by_type).setdefault(says[1], {})

    def recipients(self, topic_id: TopicId) -> tuple[AgentId, ...]:
        """Return who hears a topic, each once, in the order of the subscriptions."""
        key = (topic_id.type, topic_id.source)
        known = self._known.get(key)
        if known is not None and known[0] == self._changes:
            return known[1]
        topic_type = topic_id.type
        matching: list[Subscription] = list(self._by_type.get(topic_type, {}).values())
        for length in self._prefix_lengths:
            found = self._by_prefix.get(topic_type[:length]) if length <= len(topic_type) else None
            if found:
                matching += found.values()
        if self._others:
            matching += [subscription for subscription in self._others.values() if subscription.is_match(topic_id)]
        if len(matching) > 1:
            matching.sort(key=lambda subscription: self._order[subscription.id])
        # Heard by several ways, a message still comes once.
        recipients = tuple(dict.fromkeys(subscription.map_to_agent(topic_id) for subscription in matching))
        for agent_id in recipients if self._others else ():
            if not isinstance(agent_id, AgentId):
                raise UserError(
                    f"A subscription maps the topic {topic_id} to {agent_id!r}, which is no AgentId; its map_to_agent "
                    "must return AgentId('type', 'key')."
                )
        self._known[key] = (self._changes, recipients)
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)
        return recipients


def _says(subscription: Subscription) -> tuple[type[Any], str, str] | None:
    """Return what a subscription of a known kind says; None for one that decides by code of its own."""
    for kind in (TypeSubscription, TypePrefixSubscription):
        if isinstance(subscription, kind) and type(subscription).is_match is kind.is_match:
            return kind, *subscription.says
    return None
