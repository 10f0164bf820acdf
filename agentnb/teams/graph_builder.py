"""Builds a graph of agents step by step."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Self

from agentnb.base import ChatAgent
from agentnb.exceptions import UserError
from agentnb.teams.digraph import Activation, DiGraph, DiGraphEdge, DiGraphNode, Test


class DiGraphBuilder:
    """Collects agents and the edges between them.

    ```python
    builder = DiGraphBuilder()
    builder.add_node(writer).add_node(critic)
    builder.add_edge(writer, critic)
    flow = GraphFlow(builder.get_participants(), builder.build())
    ```

    Attributes:
        nodes: The nodes so far, by name.
        agents: The agents so far, by name.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, DiGraphNode] = {}
        self.agents: dict[str, ChatAgent] = {}
        self._entry_point: str | None = None

    def add_node(self, agent: ChatAgent, activation: Activation = "all") -> Self:
        """Add an agent.

        Args:
            agent: The agent; its name is the node's.
            activation: Whether it waits for all edges into it, or for any; an edge that says so itself goes before.

        Raises:
            ValueError: If another agent of that name is there.
            TypeError: If it is no agent.
        """
        if not isinstance(agent, ChatAgent):
            raise TypeError(f"A node of the graph must be an agent, not {agent!r:.80}.")
        if self.agents.get(agent.name, agent) is not agent:
            raise UserError(f"Another agent named {agent.name!r} is in the graph; names must differ.")
        if agent.name in self.nodes:
            self.nodes[agent.name].activation = activation
        else:
            self.nodes[agent.name] = DiGraphNode(name=agent.name, activation=activation)
            self.agents[agent.name] = agent
        return self

    def add_edge(
        self,
        source: str | ChatAgent,
        target: str | ChatAgent,
        condition: str | Test | None = None,
        activation_group: str | None = None,
        activation_condition: Activation | None = None,
    ) -> Self:
        """Let `target` follow `source`.

        Args:
            source: An agent of the graph, or its name.
            target: An agent of the graph, or its name.
            condition: A text that the source's answer must hold, or a function of that answer; default: always.
            activation_group: Edges into `target` that are counted together; default: one group for all that say none.
            activation_condition: Whether `target` waits for all edges of the group, or for any; default: what was
                said when it was added.

        Raises:
            ValueError: If the source or the target is not in the graph.
        """
        given: dict[str, Any] = {"activation_group": activation_group, "activation_condition": activation_condition}
        given = {name: value for name, value in given.items() if value is not None}
        known = self.nodes[self._known(source, "source")]
        known.edges.append(DiGraphEdge(target=self._known(target, "target"), condition=condition, **given))
        return self

    def add_conditional_edges(
        self, source: str | ChatAgent, condition_to_target: Mapping[str, str | ChatAgent]
    ) -> Self:
        """Let a target follow `source` for each text that its answer may hold; use `add_edge` with a condition."""
        warnings.warn(
            "add_conditional_edges is deprecated; call add_edge(source, target, condition=...) for each edge.",
            DeprecationWarning,
            stacklevel=2,
        )
        for condition, target in condition_to_target.items():
            self.add_edge(source, target, condition)
        return self

    def set_entry_point(self, name: str | ChatAgent) -> Self:
        """Begin with this node alone; default: with all nodes into which no edge leads.

        Raises:
            ValueError: If it is not in the graph.
        """
        self._entry_point = self._known(name, "entry point")
        return self

    def build(self) -> DiGraph:
        """Return the graph; what is added later does not change it.

        Raises:
            ValueError: If a team cannot follow it; see `DiGraph.graph_validate`.
        """
        nodes = {name: node.model_copy(deep=False) for name, node in self.nodes.items()}
        for node in nodes.values():
            node.edges = [edge.model_copy() for edge in node.edges]
        graph = DiGraph(nodes=nodes, default_start_node=self._entry_point)
        graph.graph_validate()
        return graph

    def get_participants(self) -> list[ChatAgent]:
        """Return the agents, in the order they were added."""
        return list(self.agents.values())

    def _known(self, node: str | ChatAgent, what: str) -> str:
        name = node if isinstance(node, str) else node.name
        if name not in self.nodes:
            there = ", ".join(map(repr, self.nodes)) or "none"
            raise UserError(
                f"The {what} {name!r} is not in the graph (there are: {there}); add it with add_node first."
            )
        return name
