"""Names of agents, topics and events."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NewType, TypedDict

from agentnb.exceptions import UserError

EventId = NewType("EventId", str)
"""The id of one fact in a log: `<run id>:<seq>`, unique over all logs."""

_AGENT_TYPE = re.compile(r"^[\w\-\.]+\Z")
_TOPIC_TYPE = re.compile(r"^[\w\-\.\:\=]+\Z")


@dataclass(frozen=True, slots=True)
class AgentType:
    """The kind of an agent, as it is registered with a runtime; that of an `AgentType` is the same one.

    Raises:
        ValueError: If `type` is no text.
    """

    type: str

    def __post_init__(self) -> None:
        name = self.type.type if isinstance(self.type, AgentType) else self.type
        if not isinstance(name, str):
            raise UserError(f"An agent type is a text, not {name!r}; write AgentType('writer').")
        object.__setattr__(self, "type", name)


class AgentMetadata(TypedDict):
    """What a runtime tells about an agent."""

    type: str
    key: str
    description: str


class AgentId:
    """One agent on a runtime: its type and, within the type, its key.

    Raises:
        ValueError: If `type` is no text, or holds anything but letters, digits, `_`, `-` and `.`.
    """

    __slots__ = ("pair",)

    pair: tuple[str, str]
    """Type and key: what look-ups use, since tuples hash in C."""

    def __init__(self, type: str | AgentType, key: str) -> None:
        name = type.type if isinstance(type, AgentType) else type
        try:
            fits = _AGENT_TYPE.match(name)
        except TypeError:
            raise UserError(f"An agent type is a text, not {name!r}; write AgentId('writer', 'default').") from None
        if not fits:
            raise ValueError(f"Agent type {name!r} may hold letters, digits, '_', '-' and '.' only.")
        self.pair = (name, key)

    @classmethod
    def of(cls, type: str, key: str) -> AgentId:
        """Make the id of a type that was checked before."""
        made = cls.__new__(cls)
        made.pair = (type, key)
        return made

    @classmethod
    def from_str(cls, agent_id: str) -> AgentId:
        """Read `type/key`; the key may itself contain `/`."""
        type_, slash, key = agent_id.partition("/")
        if not slash:
            raise ValueError(f"Agent id {agent_id!r} is not of the form 'type/key'.")
        return cls(type_, key)

    @property
    def type(self) -> str:
        return self.pair[0]

    @property
    def key(self) -> str:
        return self.pair[1]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AgentId) and self.pair == other.pair

    def __hash__(self) -> int:
        return hash(self.pair)

    def __str__(self) -> str:
        return "/".join(self.pair)

    def __repr__(self) -> str:
        return f'AgentId(type="{self.type}", key="{self.key}")'


@dataclass(frozen=True, slots=True)
class TopicId:
    """Where something is published: a type, and a source that keeps tenants apart.

    Raises:
        ValueError: If `type` is no text, or holds anything but letters, digits, `_`, `-`, `.`, `:` and `=`.
    """

    type: str
    source: str

    def __post_init__(self) -> None:
        try:
            fits = _TOPIC_TYPE.match(self.type)
        except TypeError:
            raise UserError(f"A topic type is a text, not {self.type!r}; write TopicId('news', 'default').") from None
        if not fits:
            raise ValueError(f"Topic type {self.type!r} may hold letters, digits, '_', '-', '.', ':' and '=' only.")

    @classmethod
    def from_str(cls, topic_id: str) -> TopicId:
        """Read `type/source`; the source may itself contain `/`."""
        type_, slash, source = topic_id.partition("/")
        if not slash:
            raise ValueError(f"Topic id {topic_id!r} is not of the form 'type/source'.")
        return cls(type_, source)

    def __str__(self) -> str:
        return f"{self.type}/{self.source}"
