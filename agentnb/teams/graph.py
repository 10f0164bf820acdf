"""Everybody whose turn a graph says it is, at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from agentnb.base import ChatAgent, TerminationCondition
from agentnb.core import ComponentModel
from agentnb.exceptions import RuntimeFault, UserError
from agentnb.messages import BaseAgentEvent, BaseChatMessage, StopMessage
from agentnb.runtimes import AgentRuntime
from agentnb.teams.base import Choice, Item, RememberingPolicy, TeamView
from agentnb.teams.digraph import DiGraph, DiGraphEdge
from agentnb.teams.graph_builder import DiGraphBuilder
from agentnb.teams.group_chat import BaseGroupChat

MANAGER = "GraphManager"
_CONDITION = 40
"""Characters of a condition shown where edges are named."""


class Way(NamedTuple):
    """An edge by its place: the source, and how many of the source's edges come before it."""

    source: str
    position: int


class Group(NamedTuple):
    """Edges into a node that are counted together."""

    target: str
    name: str


class GraphPolicy(RememberingPolicy):
    """Follows a graph: every node that is ready speaks, all in one round.

    **Taken.** When a node has spoken, each of its edges is asked once whether it is open to the node's answer. An
    edge that is open is *taken* until its target runs because of it; taken again meanwhile, it counts once.

    **Ready.** A node is ready when a group of the edges into it fires; any group will do. A group of kind "any" fires
    as soon as one of its edges is taken: edges taken in the same round make the target run once, those taken in
    later rounds make it run again. A group of kind "all" fires when at least one of its edges is taken and every
    other one is *resolved*: it cannot be taken before the target runs.

    **Resolved.** An edge can still be taken while a node that is ready, or one that holds a taken edge and so will
    run, reaches the edge's source on a way that does not pass the target. So a branch not taken, and everything that
    only this branch would have led to, is waited for no longer than it could still come; and an edge of a loop that
    begins at the target itself is not waited for at all. Nodes that wait for nobody but each other run together.

    **Re-arming.** What made a node ready is used up when it has spoken, and only that: edges of its other groups stay
    taken. No edge stays taken for ever: as long as one is, some node is ready. When none is, the graph is finished,
    and the next run begins with the start nodes.

    What is ready is used up by `heard`, not by choosing it: a run that fails or is stopped loses nothing.
    """

    follows: ClassVar[bool] = True

    def __init__(self, graph: DiGraph, *, ends: bool) -> None:
        """Read a graph.

        Args:
            graph: The graph; changing it later has no effect.
            ends: Whether something else ends a run, as a graph with a cycle needs.
        """
        graph.graph_validate()
        self._ends = ends or not graph.get_has_cycles()
        self._names = tuple(graph.nodes)
        start = graph.get_start_nodes()
        self._start = tuple(name for name in self._names if name in start)
        self._edges: dict[Way, DiGraphEdge] = {
            Way(name, position): edge.model_copy()
            for name, node in graph.nodes.items()
            for position, edge in enumerate(node.edges)
        }
        self._ways: dict[str, list[Way]] = {name: [] for name in self._names}
        self._groups: dict[Group, list[Way]] = {}
        self._parents: dict[str, set[str]] = {name: set() for name in self._names}
        for way, edge in self._edges.items():
            self._ways[way.source].append(way)
            self._groups.setdefault(Group(edge.target, edge.activation_group), []).append(way)
            self._parents[edge.target].add(way.source)
        self._any = {
            group for group, ways in self._groups.items() if self._edges[ways[0]].activation_condition == "any"
        }
        self._before: dict[tuple[str, str], frozenset[str]] = {}
        self._rearm()

    def _rearm(self) -> None:
        self._taken: set[Way] = set()
        # Each node that is ready, with the groups that made it so; none made the start nodes ready.
        self._ready: dict[str, tuple[str, ...]] = dict.fromkeys(self._start, ())

    async def begin(self, view: TeamView) -> None:
        if not self._ends:
            raise UserError(
                "The graph has a cycle, and nothing limits how often it is gone round: "
                "give the GraphFlow a termination_condition or max_turns."
            )

    async def __call__(self, view: TeamView) -> Choice:
        names = tuple(self._ready)
        why = "; ".join(self._why(name, groups) for name, groups in self._ready.items())
        return Choice(names, rule=self._rule(), why=why, candidates=names)

    def _rule(self) -> str:
        """Name the edges that made the nodes ready, as in "after a (yes)"; "start" where none did."""
        if not any(self._ready.values()):
            return "start"
        told = {
            name: " and ".join(
                f"{way.source} ({_shown(self._edges[way])})" if self._edges[way].conditional else way.source
                for way in self._into(name, groups)
                if way in self._taken
            )
            for name, groups in self._ready.items()
        }
        if len(told) == 1:
            return f"after {next(iter(told.values()))}"
        return "; ".join(f"{name} after {ways}" if ways else f"{name} at the start" for name, ways in told.items())

    def _into(self, name: str, groups: Sequence[str]) -> list[Way]:
        return [way for group in groups for way in self._groups[Group(name, group)]]

    def _why(self, name: str, groups: Sequence[str]) -> str:
        if not groups:
            return f"{name!r} begins"
        came, missing = [], []
        for way in self._into(name, groups):
            edge = self._edges[way]
            told = f" (on {edge.describe_condition()!r})" if edge.conditional else ""
            if way in self._taken:
                came.append(f"{way.source!r}{told}")
            elif edge.activation_condition == "all":
                missing.append(f"{way.source!r}{told}")
        without = f", without {_list(missing)}, which cannot come before it" if missing else ""
        return f"{name!r} follows {_list(came)}{without}"

    async def heard(self, view: TeamView, round: Mapping[str, Sequence[Item]]) -> StopMessage | None:
        # Conditions are a user's code: nothing is changed before all of them have answered.
        taken = [way for name, said in round.items() for way in self._ways[name] if self._open(way, said[-1])]
        for name in round:
            for group in self._ready.pop(name, ()):
                self._taken.difference_update(self._groups[Group(name, group)])
        self._taken.update(taken)
        self._fire()
        if self._ready:
            return None
        self._rearm()
        return StopMessage(content="the graph is finished: no node is left to run", source=MANAGER)

    def _open(self, way: Way, answer: Item) -> bool:
        edge = self._edges[way]
        if not isinstance(answer, BaseChatMessage):  # an agent of a class of its own may end with an event
            return not edge.conditional
        try:
            return edge.check_condition(answer)
        except Exception as error:
            raise RuntimeFault(
                f"The condition of the edge {way.source!r} -> {edge.target!r} failed on what {way.source!r} said: "
                f"{type(error).__name__}: {error}"
            ) from error

    def _fire(self) -> None:
        fired: list[Group] = []
        waits_for: dict[Group, set[str]] = {}
        for group, ways in self._groups.items():
            missing = [way for way in ways if way not in self._taken]
            if len(missing) == len(ways):
                continue
            if not missing or group in self._any:
                fired.append(group)
            else:
                waits_for[group] = set[str]().union(*(self._reaching(way.source, group.target) for way in missing))
        running = self._ready.keys() | {group.target for group in fired}
        fired += _resolved(waits_for, running)
        ready = {name: set(groups) for name, groups in self._ready.items()}
        for group in fired:
            ready.setdefault(group.target, set()).add(group.name)
        self._ready = {name: tuple(sorted(ready[name])) for name in self._names if name in ready}

    def _reaching(self, source: str, target: str) -> frozenset[str]:
        """Return the nodes from which `source` can come to run before `target` does."""
        known = self._before.get((source, target))
        if known is None:
            found, edge_of = {source} - {target}, [source] if source != target else []
            while edge_of:
                new = self._parents[edge_of.pop()] - found - {target}
                found |= new
                edge_of += new
            known = self._before[source, target] = frozenset(found)
        return known

    async def reset(self) -> None:
        self._rearm()

    # -- state ----------------------------------------------------------------------------------------------------

    async def save_state(self) -> dict[str, Any]:
        """Return AutoGen's `remaining`, `enqueued_any` and `ready`, and besides which edges these counts stand for."""
        remaining: dict[str, dict[str, int]] = {}
        enqueued: dict[str, dict[str, bool]] = {}
        for group, ways in self._groups.items():
            count = len(ways) if group in self._any else sum(way not in self._taken for way in ways)
            remaining.setdefault(group.target, {})[group.name] = count
            waits = group in self._any and group.name in self._ready.get(group.target, ())
            enqueued.setdefault(group.target, {})[group.name] = waits
        return {
            "remaining": remaining,
            "enqueued_any": enqueued,
            "ready": list(self._ready),
            "taken": [list(way) for way in self._edges if way in self._taken],
            "triggered": {name: list(groups) for name, groups in self._ready.items()},
        }

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state, also one of AutoGen's; where nothing is ready in it, from the start nodes.

        Raises:
            ValueError: If it is that of another graph.
        """
        ready = [str(name) for name in state.get("ready", ())]
        if not ready:
            # AutoGen loses what was ready when a run fails; such a state would never move again.
            self._rearm()
            return
        taken = {Way(*way) for way in state["taken"]} if "taken" in state else self._counted(state, ready)
        if "triggered" in state:
            triggered = {Group(name, group) for name, groups in state["triggered"].items() for group in groups}
        else:
            complete = {group for group, ways in self._groups.items() if group in self._any or taken.issuperset(ways)}
            triggered = {
                group for group in complete if group.target in ready and taken.intersection(self._groups[group])
            }
        for what, found, known in (
            ("node", set(ready), set(self._names)),
            ("edge", taken, self._edges.keys()),
            ("activation group", triggered, self._groups.keys()),
        ):
            if not found <= known:
                strange = ", ".join(
                    sorted(repr(tuple(one) if isinstance(one, tuple) else one) for one in found - known)
                )
                raise UserError(
                    f"The state is that of another graph: this one has no {what} {strange}. Load it into a team of the "
                    "graph it was saved with."
                )
        self._taken = taken
        self._ready = {
            name: tuple(sorted(group.name for group in triggered if group.target == name))
            for name in self._names
            if name in ready
        }

    def _counted(self, state: Mapping[str, Any], ready: Sequence[str]) -> set[Way]:
        """Find which edges AutoGen's counts stand for: those of the sources that spoke last.

        A group that is complete and whose target is not ready has fired before AutoGen itself loaded the state: there
        its count is not set back then.
        """
        spoke = {message.get("source"): place for place, message in enumerate(state.get("message_thread", ()))}
        taken: set[Way] = set()
        for group, ways in self._groups.items():
            if group in self._any:
                count = int(bool(state.get("enqueued_any", {}).get(group.target, {}).get(group.name)))
            else:
                count = len(ways) - int(state.get("remaining", {}).get(group.target, {}).get(group.name, len(ways)))
                if count >= len(ways) and group.target not in ready:
                    count = 0
            latest = sorted(ways, key=lambda way: spoke.get(way.source, -1), reverse=True)
            taken.update(latest[: max(count, 0)])
        return taken


def _resolved(waits_for: Mapping[Group, set[str]], running: Iterable[str]) -> list[Group]:
    """Return the groups that wait for nobody, or for none but each other."""
    running = set(running)
    before = {
        group: {other for other in waits_for if other.target in nodes and other.target != group.target}
        for group, nodes in waits_for.items()
    }
    behind = {group: _closure(group, before) for group in waits_for}
    return [
        group
        for group, others in behind.items()
        if not any(waits_for[one] & running for one in (group, *others))
        and all(group in behind[other] for other in others)
    ]


def _closure(group: Group, before: Mapping[Group, set[Group]]) -> set[Group]:
    found, unseen = set[Group](), [group]
    while unseen:
        new = before[unseen.pop()] - found
        found |= new
        unseen += new
    return found


def _shown(edge: DiGraphEdge) -> str:
    condition = " ".join(edge.describe_condition().split())
    if edge._function is None:
        return condition if len(condition) <= _CONDITION else f"{condition[: _CONDITION - 1]}…"
    name = condition.rpartition(".")[2]
    return f"{name}()" if name.isidentifier() else "a function"


def _list(words: Sequence[str]) -> str:
    return " and ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else "".join(words)


class GraphFlow(BaseGroupChat):
    """Participants speak as a graph says: one after another, side by side, on conditions, in loops.

    ```python
    builder = DiGraphBuilder().add_node(writer).add_node(critic)
    builder.add_edge(writer, critic)
    team = GraphFlow(builder.get_participants(), builder.build())
    result = await team.run(task="Write a haiku about autumn.")
    ```

    All nodes that are ready speak at the same time, in one round, which counts as one turn. A run ends when no node
    is left to run; the next one begins with the start nodes. Ended before that, by the termination condition,
    `max_turns`, an error or a person, the next run goes on with the nodes that were ready. Everybody hears everything;
    a `MessageFilterAgent` hears less. When exactly a node is ready is said by `GraphPolicy`; which edges made it so is
    the `rule` of the choice, as in "after a (yes)": see `result.to_df("choices")`.

    Args:
        participants: Agents, one for each node of the graph, with the nodes' names.
        graph: Who may follow whom; changing it later has no effect.
        name: The team's name; default: its class.
        description: What it is good for.
        termination_condition: Ends a run.
        max_turns: Ends a run after so many rounds.
        runtime: Where the participants live; default: a runtime of the team's own.
        custom_message_types: Message classes of yours that the participants say.

    Raises:
        ValueError: If the graph cannot be followed, see `DiGraph.graph_validate`, or a node is no participant; when
            it runs, if the graph has a cycle and there is neither a `termination_condition` nor `max_turns`.
        TypeError: If a participant is a team, or the graph is not built yet.
    """

    nests: ClassVar[bool] = False

    def __init__(
        self,
        participants: Sequence[ChatAgent],
        graph: DiGraph,
        *,
        name: str | None = None,
        description: str | None = None,
        termination_condition: TerminationCondition | None = None,
        max_turns: int | None = None,
        runtime: AgentRuntime | None = None,
        custom_message_types: Sequence[type[BaseAgentEvent | BaseChatMessage]] | None = None,
    ) -> None:
        if isinstance(graph, DiGraphBuilder):
            raise TypeError("The graph is a DiGraphBuilder; call its build(): GraphFlow(…, builder.build()).")
        if not isinstance(graph, DiGraph | dict):
            raise TypeError(f"The graph is {graph!r:.80}; give a DiGraph: GraphFlow(…, builder.build()).")
        self._graph = DiGraph.model_validate(graph)
        super().__init__(
            participants,
            GraphPolicy(self._graph, ends=termination_condition is not None or max_turns is not None),
            name=name,
            description=description,
            termination_condition=termination_condition,
            max_turns=max_turns,
            runtime=runtime,
            custom_message_types=custom_message_types,
        )
        absent = [node for node in self._graph.nodes if node not in self._names]
        if absent:
            raise UserError(
                f"No participant is named {', '.join(map(repr, absent))}, as in the graph "
                f"(participants: {', '.join(map(repr, self._names))}). Pass builder.get_participants()."
            )

    @property
    def graph(self) -> DiGraph:
        """Who may follow whom; `graph.edges()` and `graph.describe()` are plain data to draw."""
        return self._graph

    @property
    def manager_name(self) -> str:
        return MANAGER

    def dump_component(self) -> ComponentModel:
        """Write this team as JSON-ready data.

        Raises:
            ValueError: If the condition of an edge is a function; the message names the edge.
        """
        self._graph.refuse_functions()
        return super().dump_component()

    def describe_component(self) -> ComponentModel:
        described = super().describe_component()
        if "graph" in described.config:
            described.config["graph"] = self._graph.describe()
        return described
