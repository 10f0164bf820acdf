"""A directed graph of participants: who may speak after whom, and on what condition."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal, TypedDict

from pydantic import (
    BaseModel,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from agentnb.exceptions import UnknownName, UserError
from agentnb.messages import BaseChatMessage

Activation = Literal["all", "any"]
Test = Callable[[BaseChatMessage], bool]

_DRAWING = {"functions": "named"}


class _UnknownNode(UnknownName, KeyError):
    """An edge leads to a node that is not there; a `KeyError` too, as in AutoGen."""

    __str__ = Exception.__str__  # a KeyError would show the message quoted


class EdgeData(TypedDict):
    """One edge as plain data, for drawings and tables."""

    source: str
    target: str
    condition: str
    """The text that opens it, the name of the function that does, or nothing."""
    function: bool
    """Whether a function opens it."""
    group: str
    activation: Activation


class DiGraphEdge(BaseModel):
    """A way from one node to another, open to every message or to some.

    A function as condition is kept in `condition_function`, as AutoGen does; it works within this process and is
    refused where the edge is dumped.

    Raises:
        ValueError: If the condition is a coroutine function, which would count as true whatever it says.
    """

    target: str
    """The node it leads to."""
    condition: str | Test | None = None
    """A text that the source's answer must hold, a function of that answer, or None for always."""
    condition_function: Test | None = Field(default=None, exclude=True, repr=False)
    activation_group: str = ""
    """Edges into a node are counted together by group; default: one group, named like the target."""
    activation_condition: Activation = "all"
    """Whether the group's target waits for all its edges; default: what the target node says."""

    @model_validator(mode="after")
    def _settled(self) -> DiGraphEdge:
        if callable(self.condition):
            self.condition_function, self.condition = self.condition, None
        if inspect.iscoroutinefunction(self.condition_function):
            raise UserError(
                f"The condition of an edge to {self.target!r} is the coroutine function "
                f"{_name_of(self.condition_function)}; nobody would await it. Make it a plain function."
            )
        if not self.activation_group:
            self.activation_group = self.target
        return self

    @property
    def conditional(self) -> bool:
        """Whether it is open to some messages only."""
        return self.condition is not None or self.condition_function is not None

    def check_condition(self, message: BaseChatMessage) -> bool:
        """Whether the edge is open to a message; a text must occur in `message.to_model_text()`."""
        if self.condition_function is not None:
            return bool(self.condition_function(message))
        if callable(self.condition):  # assigned after the edge was made
            return bool(self.condition(message))
        return self.condition is None or self.condition in message.to_model_text()

    def describe_condition(self) -> str:
        """Return the text that opens the edge, the name of the function that does, or nothing; for people."""
        if self._function is not None:
            return _name_of(self._function)
        return str(self.condition or "")

    @property
    def _function(self) -> Test | None:
        return self.condition if callable(self.condition) else self.condition_function

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        if self._function is None:
            written: dict[str, Any] = handler(self)
            return written
        if info.context is not _DRAWING:
            raise UserError(_refusal(None, self))
        plain = self.model_copy(update={"condition": None, "condition_function": None})
        return {**handler(plain), "condition": {"not written": _name_of(self._function)}}


class DiGraphNode(BaseModel):
    """One participant, by name, and the ways from it."""

    name: str
    edges: list[DiGraphEdge] = Field(default_factory=list)
    activation: Activation = "all"
    """What holds for edges into this node that do not say it themselves."""

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        if info.context is not _DRAWING:
            for edge in self.edges:
                if edge._function is not None:
                    raise UserError(_refusal(self.name, edge))
        written: dict[str, Any] = handler(self)
        return written


class DiGraph(BaseModel):
    """Nodes by name, with the edges between them.

    Raises:
        ValueError: On dumping, if the condition of an edge is a function; the message names the edge.
    """

    nodes: dict[str, DiGraphNode]
    default_start_node: str | None = None
    """Where to begin, for graphs in which every node has a parent; else all nodes without one."""

    @model_validator(mode="after")
    def _settled(self) -> DiGraph:
        self._spread_activation()
        return self

    def _spread_activation(self) -> None:
        for _, edge in self._edges():
            unset = "activation_condition" not in edge.model_fields_set
            if unset and edge.target in self.nodes and self.nodes[edge.target].activation == "any":
                # Set, so that it is also dumped as it counts.
                edge.activation_condition = "any"

    def _edges(self) -> Iterator[tuple[str, DiGraphEdge]]:
        for name, node in self.nodes.items():
            for edge in node.edges:
                yield name, edge

    def edges(self) -> list[EdgeData]:
        """List every edge as plain data, in the order of the nodes; JSON-ready."""
        return [
            EdgeData(
                source=source,
                target=edge.target,
                condition=edge.describe_condition(),
                function=edge._function is not None,
                group=edge.activation_group,
                activation=edge.activation_condition,
            )
            for source, edge in self._edges()
        ]

    def describe(self) -> dict[str, Any]:
        """Write the graph for a reader, as a dump is; functions are shown by name: `{"not written": name}`."""
        return self.model_dump(mode="json", exclude_none=True, context=_DRAWING)

    def refuse_functions(self) -> None:
        """See that the graph can be written.

        Raises:
            ValueError: If the condition of an edge is a function; the message names the edge.
        """
        for source, edge in self._edges():
            if edge._function is not None:
                raise UserError(_refusal(source, edge))

    # -- questions ------------------------------------------------------------------------------------------------

    def get_parents(self) -> dict[str, list[str]]:
        """Return, for every node, the sources of the edges into it.

        Raises:
            KeyError: If an edge leads to a node that is not there.
        """
        parents: dict[str, list[str]] = {name: [] for name in self.nodes}
        for source, edge in self._edges():
            if edge.target not in parents:
                raise _UnknownNode(
                    f"The edge {source!r} -> {edge.target!r} leads to no node (there are: {_listed(self.nodes)})."
                )
            parents[edge.target].append(source)
        return parents

    def get_start_nodes(self) -> set[str]:
        """Return where to begin: the default start node, else the nodes without parents."""
        if self.default_start_node is not None:
            return {self.default_start_node}
        return {name for name, parents in self.get_parents().items() if not parents}

    def get_leaf_nodes(self) -> set[str]:
        """Return the nodes from which no edge leads."""
        return {name for name, node in self.nodes.items() if not node.edges}

    def get_remaining_map(self) -> dict[str, dict[str, int]]:
        """Return the number of edges into each node that has any, by activation group."""
        remaining: dict[str, Counter[str]] = {}
        for _, edge in self._edges():
            remaining.setdefault(edge.target, Counter())[edge.activation_group] += 1
        return {name: dict(groups) for name, groups in remaining.items()}

    def has_cycles_with_exit(self) -> bool:
        """Whether there is a cycle; each has a condition on its way, so that it can end.

        Raises:
            ValueError: If a cycle has no edge with a condition that leaves any of its nodes.
        """
        unconditional = [name for name, node in self.nodes.items() if not any(edge.conditional for edge in node.edges)]
        endless = self._cycle(unconditional)
        if endless:
            raise UserError(
                f"The cycle {' -> '.join(map(repr, endless))} never ends: none of its nodes has an edge with a "
                "condition. Put one on an edge of the cycle, and one on an edge that leaves it."
            )
        return bool(self._cycle(self.nodes))

    def get_has_cycles(self) -> bool:
        """Whether there is a cycle; errors are those of `has_cycles_with_exit`."""
        return self.has_cycles_with_exit()

    def _cycle(self, names: Collection[str]) -> list[str]:
        among = set(names)
        try:
            TopologicalSorter(
                {name: [edge.target for edge in self.nodes[name].edges if edge.target in among] for name in names}
            ).prepare()
        except CycleError as error:
            # The sorter is told of successors, so it names the cycle against its direction.
            return list(reversed(error.args[1]))
        return []

    def graph_validate(self) -> None:
        """See that a team can follow the graph.

        Raises:
            ValueError: If there are no nodes, no start node or no leaf node; if a node mixes edges with and without
                a condition, or a cycle cannot end; if edges of one activation group disagree; if a node's key is not
                its name.
            KeyError: If an edge leads to a node that is not there.
        """
        if not self.nodes:
            raise UserError("The graph has no nodes; add some with DiGraphBuilder.add_node(agent).")
        for key, node in self.nodes.items():
            if key != node.name:
                raise UserError(f"The node under the key {key!r} is named {node.name!r}; both must be the same.")
        self.get_parents()
        if self.default_start_node is not None and self.default_start_node not in self.nodes:
            raise UserError(
                f"The default start node {self.default_start_node!r} is no node (there are: {_listed(self.nodes)})."
            )
        if not self.get_start_nodes():
            raise UserError(
                "The graph has no start node: every node has a parent. Name one with "
                "DiGraphBuilder.set_entry_point(agent), or as default_start_node."
            )
        if not self.get_leaf_nodes():
            raise UserError(
                "The graph has no leaf node: an edge leads on from every node, so it cannot end. Add a node that no "
                "edge leaves."
            )
        for name, node in self.nodes.items():
            kinds = {edge.conditional for edge in node.edges}
            if len(kinds) > 1:
                raise UserError(
                    f"The node {name!r} has edges with and without a condition: {_ways(node)}. "
                    "Give all of them a condition, or none."
                )
        self.has_cycles_with_exit()
        self._spread_activation()
        activations: dict[tuple[str, str], Activation] = {}
        for source, edge in self._edges():
            known = activations.setdefault((edge.target, edge.activation_group), edge.activation_condition)
            if known != edge.activation_condition:
                raise UserError(
                    f"The edges into {edge.target!r} of the group {edge.activation_group!r} disagree: "
                    f"{source!r} -> {edge.target!r} says {edge.activation_condition!r}, another says {known!r}. "
                    "Let them agree, or put them in groups of their own."
                )


def _name_of(function: Any) -> str:
    return getattr(function, "__qualname__", None) or type(function).__qualname__


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(map(repr, names)) or "none"


def _ways(node: DiGraphNode) -> str:
    return ", ".join(f"{edge.target!r}{' on a condition' if edge.conditional else ''}" for edge in node.edges)


def _refusal(source: str | None, edge: DiGraphEdge) -> str:
    way = f"{source!r} -> {edge.target!r}" if source is not None else f"to {edge.target!r}"
    return (
        f"The condition of the edge {way} is the function {_name_of(edge._function)}, which cannot be written down. "
        "Use a text that the message must hold, or build the graph in code where it is needed."
    )
