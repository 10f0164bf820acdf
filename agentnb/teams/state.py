"""A team's saved state: in AutoGen's shape, looked through before anything is changed, taken over whole or not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from agentnb.base import TerminationCondition
from agentnb.exceptions import UserError
from agentnb.messages import MessageFactory
from agentnb.messages.saved import Loaded, SavedMessages, problem_of
from agentnb.teams.base import Item

if TYPE_CHECKING:
    from agentnb.teams.seat import Seat

VERSION = "1.0.0"


async def container_state(seat: Seat, unheard: SavedMessages) -> dict[str, Any]:
    """Return a participant's state, with what it has not heard."""
    return {
        "type": "ChatAgentContainerState",
        "version": VERSION,
        "agent_state": await seat.save_state(),
        "message_buffer": unheard,
    }


class TeamState(NamedTuple):
    """A saved state, taken apart."""

    agents: dict[str, Any]
    """Each participant's own state."""
    unheard: dict[str, Loaded[Item]]
    """What each participant has not heard."""
    manager: Mapping[str, Any]
    said: Loaded[Item]
    turns: int
    last_speakers: tuple[str, ...]
    condition: Mapping[str, Any] | None


def taken_apart(state: Any, names: Sequence[str], manager: str, factory: MessageFactory) -> TeamState:
    """Look a saved state through.

    Args:
        state: What `save_state` returned, here or in AutoGen.
        names: The participants.
        manager: The name of who chooses the speakers.
        factory: Makes the messages.

    Raises:
        ValueError: If it is no team's, another team's, or a message of it cannot be read.
    """
    agents = state.get("agent_states") if isinstance(state, Mapping) else None
    if not isinstance(agents, Mapping):
        read = " A text has to be read first: json.loads(state)." if isinstance(state, str | bytes) else ""
        raise UserError(
            f"The state {_short(state)} has no 'agent_states'; is it a team's, saved by save_state()?{read}"
        )
    missing = [name for name in (*names, manager) if name not in agents]
    if missing:
        lacks, holds = ", ".join(map(repr, missing)), ", ".join(map(repr, agents)) or "nothing"
        raise UserError(
            f"The state lacks {lacks} (it holds {holds}). Load it into a team of the same kind, "
            "whose participants have the same names."
        )
    unheard = {
        name: factory.look_through(_field(agents, name, "message_buffer"), f"unheard by {name!r}") for name in names
    }
    own = {name: _field(agents, name, "agent_state") for name in names}
    said = factory.look_through(_field(agents, manager, "message_thread"), "of the thread")
    lead = agents[manager]
    turns, last = lead.get("turns", 0), lead.get("last_speakers", ())
    if not isinstance(turns, int) or isinstance(last, str) or not isinstance(last, Sequence):
        raise UserError(
            f"The state's 'turns' and 'last_speakers' are {turns!r:.40} and {last!r:.60}; they must be a number and a "
            "list of names, as save_state() writes them."
        )
    return TeamState(own, unheard, lead, said, turns, tuple(last), state.get("termination_condition"))


def _field(agents: Mapping[str, Any], name: str, key: str) -> Any:
    of = agents[name]
    if not isinstance(of, Mapping) or key not in of:
        raise UserError(f"The state of {name!r} is {_short(of)}, without {key!r}: is it whole?")
    return of[key]


def _short(value: Any) -> str:
    return f"{value!r:.60}"


async def take_over(
    seats: Mapping[str, Seat],
    state: TeamState,
    condition: TerminationCondition | None,
    load_policy: Callable[[Mapping[str, Any], int], Awaitable[int]],
) -> int:
    """Load the states of the condition, the participants and the policy; put all back if one of them fails.

    Args:
        seats: The participants.
        state: The saved state.
        condition: What ends a run.
        load_policy: Loads the state of who chooses the speakers, given the rounds that the state tells, and returns
            the rounds there were; comes last, so that there is nothing to put back.

    Returns:
        What `load_policy` returned.

    Raises:
        ValueError: If one cannot be read; the message says whose.
    """
    counted = None if condition is None or state.condition is None else condition.save_state()
    begun: list[tuple[Seat, dict[str, Any]]] = []
    whose = ""
    try:
        if condition is not None and state.condition is not None:
            whose = "the termination condition"
            condition._check_state(state.condition)
            condition.load_state(state.condition)
        for name, seat in seats.items():
            whose = ""  # what fails in saving is not the state's fault
            begun.append((seat, await seat.save_state()))
            whose = repr(name)
            await seat.load_state(state.agents[name])
        whose = "who chooses the speakers"
        return await load_policy(state.manager, state.turns)
    except BaseException as error:
        told = _unreadable(whose, error) if whose else error
        if condition is not None and counted is not None:
            condition.load_state(counted)
        for seat, before in reversed(begun):
            try:
                await seat.load_state(before)
            except Exception as failed:
                told.add_note(f"{seat.agent.name!r} could not be put back: {type(failed).__name__}: {failed}")
        if told is error:
            raise
        raise told from error


def _unreadable(whose: str, error: BaseException) -> BaseException:
    """Return what to raise where a state could not be read: anything but what is wrong with its data stays as it is."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, ValidationError):
        return UserError(f"The state of {whose} cannot be read: {problem_of(error)}")
    if isinstance(error, LookupError | TypeError | AttributeError | ValueError):
        return UserError(f"The state of {whose} cannot be read: {type(error).__name__}: {error}")
    return error
