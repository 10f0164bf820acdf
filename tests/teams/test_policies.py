"""Ways to say who speaks next."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from agentnb.conditions import MaxMessageTermination, TextMentionTermination
from agentnb.core import CancellationToken
from agentnb.exceptions import AgentFailed, RuntimeFault, UserError
from agentnb.messages import ModelClientStreamingChunkEvent, StopMessage, TextMessage, UserMessage
from agentnb.models import ScriptedChatCompletionClient
from agentnb.runlog import Noted, RunFinished, RunLog, SpeakerChosen, shown
from agentnb.teams import BaseGroupChat, Choice, RememberingPolicy, RoundRobinGroupChat, TeamView, conversation
from agentnb.teams.base import Item
from tests.stops import stop
from tests.teams.conftest import Speaker, Waiter, choices, sources, texts


class Counting(RememberingPolicy):
    """Lets the first participant open, then the others in turn; remembers what it was told."""

    def __init__(self, stop_at: int = 3) -> None:
        self.stop_at = stop_at
        self.rounds: list[dict[str, list[str]]] = []
        self.told: list[str] = []

    async def begin(self, view: TeamView) -> None:
        self.told.append("begin")
        if any("refuse" in message.to_text() for message in view.task):
            raise UserError("This task is refused.")

    async def __call__(self, view: TeamView) -> Any:
        return view.names[len(self.rounds) % len(view.names)]

    async def heard(self, view: TeamView, round: Mapping[str, Sequence[Item]]) -> StopMessage | None:
        self.rounds.append({name: [item.to_text() for item in said] for name, said in round.items()})
        if len(self.rounds) < self.stop_at:
            return None
        return StopMessage(content="enough", source="Counting")

    async def over(self) -> None:
        self.told.append("over")

    async def reset(self) -> None:
        self.rounds.clear()

    async def save_state(self) -> dict[str, Any]:
        return {"rounds": self.rounds}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        self.rounds = list(state["rounds"])


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_function_of_the_view_is_a_policy(asynchronous: bool) -> None:
    def last_first(view: TeamView) -> str:
        return view.names[-1 - view.turns % 2]

    async def later(view: TeamView) -> str:
        return last_first(view)

    team = BaseGroupChat([Speaker("ana"), Speaker("ben")], later if asynchronous else last_first, max_turns=3)

    assert sources(await team.run(task="go")) == ["user", "ben", "ana", "ben"]


async def test_a_policy_sees_task_thread_turns_descriptions_and_who_spoke() -> None:
    seen: list[TeamView] = []
    spoken: list[tuple[int, list[str], tuple[str, ...]]] = []

    def note(view: TeamView) -> str:
        seen.append(view)
        spoken.append((view.turns, [item.to_text() for item in view.thread], tuple(view.last_speakers)))
        return "ana"

    await BaseGroupChat([Speaker("ana", "a"), Speaker("ben")], note, max_turns=2).run(task="go")

    assert spoken == [(0, ["go"], ()), (1, ["go", "a"], ("ana",))]
    assert seen[0].descriptions == {"ana": "ana speaks", "ben": "ben speaks"}
    assert [message.to_text() for message in seen[1].task] == ["go"]


async def test_a_policy_ends_a_run_with_a_stop_message() -> None:
    def once(view: TeamView) -> str | StopMessage:
        return "ana" if view.turns == 0 else StopMessage(content="that was all", source="once")

    result = await BaseGroupChat([Speaker("ana")], once).run(task="go")

    assert sources(result) == ["user", "ana"]
    assert result.stop_reason == "that was all"


async def test_the_log_says_why_somebody_was_chosen() -> None:
    def chooser(view: TeamView) -> Choice:
        return Choice(("ben",), rule="whim", why="ben had said nothing", candidates=("ana", "ben"), answer="Ben!")

    result = await BaseGroupChat([Speaker("ana"), Speaker("ben")], chooser, max_turns=1).run(task="go")

    assert choices(result.log) == [
        SpeakerChosen(names=("ben",), rule="whim", why="ben had said nothing", candidates=("ana", "ben"), answer="Ben!")
    ]


async def test_the_prompts_of_a_choice_can_be_read_from_the_log() -> None:
    client = ScriptedChatCompletionClient(["ben"])

    async def ask(view: TeamView) -> str:
        result = await client.create([UserMessage(content="Who is next?", source="user")])
        return str(result.content)

    result = await BaseGroupChat([Speaker("ana"), Speaker("ben")], ask, max_turns=1).run(task="go")

    assert result.log is not None
    (choice,) = choices(result.log)
    (asked,) = choice.asked or ()
    call = result.log.events[asked - 1]
    assert [message.content for message in shown(result.log, call)] == ["Who is next?"]
    assert call.source == "BaseGroupChatManager"


async def test_a_policy_may_speak_to_everybody_or_only_to_those_who_watch() -> None:
    def herald(view: TeamView) -> str:
        view.floor.chunk(ModelClientStreamingChunkEvent(content="He", source="herald"))
        view.floor.say(TextMessage(content="Hear ye", source="herald"))
        view.floor.say(TextMessage(content="psst", source="herald"), heard=False)
        return "ana"

    ana = Speaker("ana")
    team = BaseGroupChat([ana], herald, max_turns=1)

    items: list[Any] = [item async for item in team.run_stream(task="go")]

    assert [item.to_text() for item in items[:-1]] == ["go", "He", "Hear ye", "psst", "ana says"]
    assert ana.got == [["go", "Hear ye"]]
    assert texts(items[-1]) == ["go", "Hear ye", "psst", "ana says"]


async def test_what_a_policy_says_counts_for_the_condition() -> None:
    def herald(view: TeamView) -> str:
        view.floor.say(TextMessage(content="curfew", source="herald"))
        return "ana"

    team = BaseGroupChat([Speaker("ana")], herald, termination_condition=TextMentionTermination("curfew"))

    assert sources(await team.run(task="go")) == ["user", "herald", "ana"]


async def test_a_policy_may_make_everybody_forget() -> None:
    async def forgetful(view: TeamView) -> str:
        if view.turns == 1:
            await view.floor.forget()
            view.floor.say(TextMessage(content="again", source="boss"))
        return "ana"

    ana = Speaker("ana")
    await BaseGroupChat([ana], forgetful, max_turns=2).run(task="go")

    assert ana.calls == ["reset"]
    assert ana.got == [["again"]]


async def test_outside_of_a_run_a_view_has_no_floor() -> None:
    with pytest.raises(RuntimeFault, match="belongs to no team that runs"):
        TeamView(("ana",), [], 0).floor.say(TextMessage(content="x", source="y"))


async def test_a_remembering_policy_hears_each_round_once_and_may_end_the_run() -> None:
    policy = Counting()
    team = BaseGroupChat([Speaker("ana", "a"), Speaker("ben", "b")], policy)

    result = await team.run(task="go")

    assert policy.rounds == [{"ana": ["a"]}, {"ben": ["b"]}, {"ana": ["a"]}]
    assert (result.stop_reason, policy.told) == ("enough", ["begin", "over"])


async def test_a_remembering_policy_hears_the_last_round_also_where_a_limit_ends_the_run() -> None:
    policy = Counting(stop_at=9)
    team = BaseGroupChat([Speaker("ana", "a")], policy, max_turns=1)

    await team.run(task="go")

    assert policy.rounds == [{"ana": ["a"]}]


async def test_a_remembering_policy_does_not_hear_a_round_that_failed() -> None:
    policy = Counting()

    with pytest.raises(AgentFailed):
        await BaseGroupChat([Speaker("ana", ValueError("no"))], policy).run(task="go")

    assert (policy.rounds, policy.told) == ([], ["begin", "over"])


class Slow(Counting):
    """Waits for good, or for a while, where it is told to."""

    def __init__(self, waits_in: str, *, forever: bool = True, stop_at: int = 3) -> None:
        super().__init__(stop_at)
        self.waits_in = waits_in
        self.forever = forever
        self.begun = asyncio.Event()

    async def _wait(self, where: str) -> None:
        if where == self.waits_in:
            self.begun.set()
            for _ in range(5):
                await asyncio.sleep(0)
            if self.forever:
                await asyncio.Event().wait()

    async def over(self) -> None:
        await self._wait("over")
        await super().over()

    async def save_state(self) -> dict[str, Any]:
        await self._wait("save_state")
        return await super().save_state()


@pytest.mark.parametrize("waits_in", ["over", "save_state"])
async def test_a_token_ends_a_run_whose_policy_waits_for_good(waits_in: str) -> None:
    policy, token, log = Slow(waits_in), CancellationToken(), RunLog()
    team = BaseGroupChat([Speaker("ana")], policy)
    running = asyncio.ensure_future(team.run(task="go", cancellation_token=token, log=log))
    await policy.begun.wait()

    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert [e.body.outcome for e in log if isinstance(e.body, RunFinished)] == ["stopped"]
    policy.waits_in = ""
    assert sources(await team.run(task="again"))[0] == "user"


@pytest.mark.parametrize("how", ["token", "task"])
async def test_a_stopped_run_ends_though_its_policy_never_comes_back(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "_LAST_SECONDS", 0.01)
    ana, token, log = Waiter("ana"), CancellationToken(), RunLog()
    team = BaseGroupChat([ana], Slow("over"))
    running = asyncio.ensure_future(team.run(task="go", cancellation_token=token, log=log))
    await ana.begun.wait()

    stop(how, token, running)

    with pytest.raises(asyncio.CancelledError):
        await running
    notes = [event.body.text for event in log if isinstance(event.body, Noted)]
    assert len(notes) == 1
    assert "'BaseGroupChat' was not done with that after 0.01 s" in notes[0]


@pytest.mark.parametrize("how", ["token", "task"])
async def test_a_policy_may_write_down_that_its_run_was_stopped(how: str) -> None:
    ana, token, policy = Waiter("ana"), CancellationToken(), Slow("over", forever=False)
    running = asyncio.ensure_future(BaseGroupChat([ana], policy).run(task="go", cancellation_token=token))
    await ana.begun.wait()

    stop(how, token, running)

    with pytest.raises(asyncio.CancelledError):
        await running
    assert policy.told == ["begin", "over"]


async def test_a_policy_may_refuse_a_task_before_anything_is_said() -> None:
    team = BaseGroupChat([Speaker("ana")], Counting())

    with pytest.raises(ValueError, match="This task is refused"):
        await team.run(task="refuse this")
    assert sources(await team.run(task="go")) == ["user", "ana", "ana", "ana"]


async def test_what_a_policy_remembers_is_saved_with_its_team_and_reset_with_it() -> None:
    first = BaseGroupChat([Speaker("ana", "a")], Counting(stop_at=2))
    await first.run(task="go")
    policy = Counting(stop_at=4)
    second = BaseGroupChat([Speaker("ana", "a")], policy)

    await second.load_state(await first.save_state())

    assert sources(await second.run()) == ["ana", "ana"]
    await second.reset()
    assert policy.rounds == []


async def test_the_count_of_a_condition_is_saved_with_a_run_that_is_paused() -> None:
    def make(*speakers: Speaker) -> RoundRobinGroupChat:
        return RoundRobinGroupChat(list(speakers), termination_condition=MaxMessageTermination(3))

    ana = Waiter("ana")
    first = make(ana, Speaker("ben"))
    run = first.start(task="go")
    await ana.begun.wait()
    state = await first.save_state()
    run.stop()
    await run
    second = make(Speaker("ana"), Speaker("ben"))

    await second.load_state(state)

    assert sources(await second.run()) == ["ana", "ben"]


async def test_a_condition_of_a_run_that_goes_on_is_not_lent_to_another() -> None:
    condition = MaxMessageTermination(3)
    ana = Waiter("ana")
    run = RoundRobinGroupChat([ana], termination_condition=condition).start(task="go")
    await ana.begun.wait()
    other = RoundRobinGroupChat([Speaker("ben")], termination_condition=condition | TextMentionTermination("x"))

    with pytest.raises(ValueError, match="counts for another run that goes on"):
        await other.run(task="go")

    ana.go_on.set()
    await run
    assert sources(await other.run(task="go")) == ["user", "ben", "ben"]


class InAutoGensManner(BaseGroupChat):
    """A team that wants a manager made, as one of AutoGen's does."""

    def __init__(self, participants: Sequence[Any], **options: Any) -> None:
        super().__init__(
            name="mine",
            description="a team of mine",
            participants=participants,
            group_chat_manager_name="MyManager",  # type: ignore[arg-type]
            group_chat_manager_class=object,  # type: ignore[arg-type]
            **options,
        )


@pytest.mark.parametrize(
    "make",
    [
        lambda ana: InAutoGensManner([ana], max_turns=1),
        lambda ana: BaseGroupChat([ana]),
        lambda ana: BaseGroupChat("mine", "a team of mine"),  # type: ignore[arg-type]
        lambda ana: BaseGroupChat([ana], "in turn"),  # type: ignore[arg-type]
    ],
)
def test_a_team_made_in_autogens_manner_says_how_a_policy_is_written(make: Any) -> None:
    with pytest.raises(TypeError, match=r"needs a policy: .*\n.*def in_turn\(view: TeamView\) -> str:"):
        make(Speaker("ana"))


async def test_the_policy_that_the_error_shows_works_as_it_stands() -> None:
    with pytest.raises(TypeError) as caught:
        InAutoGensManner([Speaker("ana")])
    code = "\n".join(line[4:] for line in str(caught.value).splitlines() if line.startswith("    "))
    written: dict[str, Any] = {"TeamView": TeamView}
    exec(code, written)

    result = await BaseGroupChat([Speaker("ana"), Speaker("ben")], written["in_turn"], max_turns=3).run(task="go")

    assert sources(result) == ["user", "ana", "ben", "ana"]


def test_an_argument_that_no_team_takes_is_named() -> None:
    with pytest.raises(TypeError, match="BaseGroupChat takes no 'max_turn'"):
        BaseGroupChat([Speaker("ana")], lambda view: view.names[0], max_turn=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [None, "ana", Speaker("ana")])
def test_participants_that_are_no_list_are_named(given: Any) -> None:
    with pytest.raises(TypeError, match=r"The participants are .*; give a list of agents: \[ana, ben\]"):
        RoundRobinGroupChat(given)
