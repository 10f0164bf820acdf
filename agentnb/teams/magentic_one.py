"""An orchestrator that plans, keeps ledgers, and says who does what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel

from agentnb.base import ChatAgent, TerminationCondition, models_of
from agentnb.core.arguments import at_least_one, require_text
from agentnb.exceptions import ModelRequestRefused, ModelResponseInvalid, UserError
from agentnb.messages import (
    AssistantMessage,
    BaseAgentEvent,
    BaseChatMessage,
    CreateResult,
    Image,
    LLMMessage,
    MultiModalMessage,
    RequestUsage,
    StopMessage,
    TextMessage,
    UserMessage,
)
from agentnb.models.base import ChatCompletionClient, name_of, require_client
from agentnb.runtimes import AgentRuntime
from agentnb.teams import magentic_prompts as prompts
from agentnb.teams.base import LIMIT, Choice, RememberingPolicy, TeamView
from agentnb.teams.group_chat import BaseGroupChat
from agentnb.teams.ledger import ProgressLedger, can_repair, ledger_format, read_ledger

NAME = "MagenticOneOrchestrator"
ATTEMPTS = 10
"""How often the model is asked for one progress ledger."""


class Ledgers(BaseModel, defer_build=True):
    """What the orchestrator remembers, in the fields of AutoGen's `MagenticOneOrchestratorState` and two more."""

    task: str = ""
    images: list[Image] = []
    """Those of the task."""
    facts: str = ""
    plan: str = ""
    n_rounds: int = 0
    """Progress ledgers since the task was given, or since the limit was reached."""
    n_stalls: int = 0
    ended: Literal["", "satisfied", "limit"] = ""
    """Why the final answer was given; empty while the task is open."""


class _Progress(NamedTuple):
    ledger: ProgressLedger
    reply: str
    attempts: int
    repaired: bool


class Orchestrator(RememberingPolicy):
    """Surveys the facts, plans, and before each round takes stock in a progress ledger, which says who speaks next.

    Args:
        client: The model that is asked.
        max_turns: Rounds until the final answer is given in any case; None for no limit.
        max_stalls: Rounds without progress after which facts and plan are written anew.
        final_answer_prompt: Asks for the final answer; `{task}` stands for the task.
    """

    state_type: ClassVar[str] = "MagenticOneOrchestratorState"
    asks_condition_of_task: ClassVar[bool] = False

    def __init__(
        self, client: ChatCompletionClient, *, max_turns: int | None, max_stalls: int, final_answer_prompt: str
    ) -> None:
        self.client = client
        self._max_turns = max_turns
        self._max_stalls = max_stalls
        self._final_answer_prompt = final_answer_prompt
        self._ledgers = Ledgers()
        # The thread as the model reads it: each message is made once, so that a client can write it once.
        self._read: list[tuple[BaseChatMessage, LLMMessage]] = []
        self._spent = RequestUsage(0, 0)
        self._way = 0

    # -- a run ----------------------------------------------------------------------------------------------------

    async def begin(self, view: TeamView) -> None:
        if view.task:
            text = " ".join(message.to_model_text() for message in view.task)
            said = [part for m in view.task if isinstance(m, MultiModalMessage) for part in m.content]
            self._ledgers = Ledgers(task=text, images=[part for part in said if isinstance(part, Image)])
        elif not self._ledgers.task:
            raise UserError("There is no task to go on with: this team was given none. Pass task=... to run().")
        elif self._ledgers.ended == "satisfied":
            raise UserError("There is no task to go on with: the last one is done. Pass task=... to run().")
        elif self._ledgers.ended == "limit":
            self._ledgers.n_rounds = 0  # as many rounds again

    async def __call__(self, view: TeamView) -> Choice | StopMessage:
        ledgers = self._ledgers
        ledgers.ended = ""
        if not (ledgers.facts or ledgers.plan):
            await self._plan(view)
        while self._max_turns is None or ledgers.n_rounds < self._max_turns:
            ledger, reply, attempts, repaired = await self._progress(view)
            ledgers.n_rounds += 1
            if ledger.is_request_satisfied.answer:
                reason = ledger.is_request_satisfied.reason or "the task is done"
                return await self._conclude(view, "satisfied", reason)
            ledgers.n_stalls = ledgers.n_stalls + 1 if ledger.stuck else max(ledgers.n_stalls - 1, 0)
            if ledgers.n_stalls >= self._max_stalls:
                await self._plan_anew(view)
                continue
            self._say(view, ledger.instruction_or_question.answer)
            only = len(view.names) == 1
            return Choice(
                (ledger.next_speaker.answer,),
                rule="only participant" if only else "mended ledger" if repaired else "ledger",
                why=ledger.next_speaker.reason,
                candidates=tuple(view.names),
                answer=reply,
                attempts=attempts,
            )
        return await self._conclude(view, "limit", f"the limit of {self._max_turns} rounds was reached")

    async def _plan(self, view: TeamView) -> None:
        asked: list[LLMMessage] = [self._question(prompts.FACTS.format(task=self._ledgers.task), self._ledgers.images)]
        facts = await self._text(view, asked)
        asked += [self._answer(facts), self._question(prompts.PLAN.format(team=_team(view)))]
        await self._start_over(view, facts, await self._text(view, asked))

    async def _plan_anew(self, view: TeamView) -> None:
        ledgers = self._ledgers
        update = prompts.FACTS_UPDATE.format(task=ledgers.task, facts=ledgers.facts)
        asked = [*self._heard(view), self._question(update)]
        facts = await self._text(view, asked)
        asked += [self._answer(facts), self._question(prompts.PLAN_UPDATE.format(team=_team(view)))]
        await self._start_over(view, facts, await self._text(view, asked))

    async def _start_over(self, view: TeamView, facts: str, plan: str) -> None:
        ledgers = self._ledgers
        await view.floor.forget()
        self._say(
            view,
            prompts.LEDGER.format(task=ledgers.task, team=_team(view), facts=facts, plan=plan),
            ledgers.images,
        )
        ledgers.facts, ledgers.plan, ledgers.n_stalls = facts, plan, 0

    async def _conclude(self, view: TeamView, ended: Literal["satisfied", "limit"], reason: str) -> StopMessage:
        # Not `format`: the prompt may hold other braces, and is otherwise used as it is.
        prompt = self._final_answer_prompt.replace("{task}", self._ledgers.task)
        self._say(view, await self._text(view, [*self._heard(view), self._question(prompt)]))
        self._ledgers.ended = ended
        return StopMessage(content=reason, source=NAME, metadata={LIMIT: "yes"} if ended == "limit" else {})

    # -- the model ------------------------------------------------------------------------------------------------

    async def _progress(self, view: TeamView) -> _Progress:
        names = tuple(view.names)
        listed = ", ".join(names)
        question = self._question(prompts.PROGRESS.format(task=self._ledgers.task, team=_team(view), names=listed))
        asked = [*self._heard(view), question]
        correction: list[LLMMessage] = []
        for attempt in range(1, ATTEMPTS + 1):
            reply, complete = await self._written(view, [*asked, *correction])
            reading = read_ledger(reply, names, complete=complete)
            if reading.ledger is not None:
                return _Progress(reading.ledger, reply, attempt, reading.repaired)
            problem = prompts.CORRECTION.format(problem=reading.problem, names=listed)
            # Only the last reply is shown: ten bad ones would teach the model to go on like that.
            correction = [self._answer(reply or "(nothing)"), self._question(problem)]
        hint = "" if can_repair() else " With pip install 'agentnb-toolkit[repair]' broken JSON is mended."
        raise ModelResponseInvalid(
            f"{name_of(self.client)} was asked {ATTEMPTS} times for the progress ledger and gave none that can be "
            f"used. {reading.problem} The team is: {listed}. The last reply was: {reply[:300]!r}.{hint}",
            partial=reply,
        )

    async def _written(self, view: TeamView, messages: Sequence[LLMMessage]) -> tuple[str, bool]:
        """Return the model's ledger as it wrote it, and whether it is complete."""
        info = self.client.model_info
        structured = [ledger_format(tuple(view.names))] if info.get("structured_output") else []
        ways: list[type[BaseModel] | bool | None] = [*structured, *([True] if info["json_output"] else []), None]
        while True:
            try:
                result = await self._ask(view, messages, ways[self._way])
            except ModelRequestRefused:
                if self._way + 1 == len(ways):
                    self._way = 0  # it was not the way of asking
                    raise
                self._way += 1  # some servers refuse what others of their kind can
            except ModelResponseInvalid as error:
                return error.partial, False  # clients that check the answer themselves
            else:
                text = result.content if isinstance(result.content, str) else repr(result.content)
                return text, result.finish_reason != "length"

    async def _text(self, view: TeamView, messages: Sequence[LLMMessage]) -> str:
        content = (await self._ask(view, messages)).content
        if not isinstance(content, str):
            raise ModelResponseInvalid(
                f"{name_of(self.client)} answered the orchestrator with {content!r:.200} in place of a text."
            )
        return content

    async def _ask(
        self, view: TeamView, messages: Sequence[LLMMessage], output: type[BaseModel] | bool | None = None
    ) -> CreateResult:
        result = await self.client.create(messages, json_output=output, cancellation_token=view.cancellation_token)
        self._spent = RequestUsage(
            self._spent.prompt_tokens + result.usage.prompt_tokens,
            self._spent.completion_tokens + result.usage.completion_tokens,
        )
        return result

    def _question(self, text: str, images: Sequence[Image] = ()) -> UserMessage:
        sees = bool(images) and self.client.model_info["vision"]
        return UserMessage(content=[text, *images] if sees else text, source=NAME)

    def _answer(self, text: str) -> AssistantMessage:
        return AssistantMessage(content=text, source=NAME)

    def _heard(self, view: TeamView) -> list[LLMMessage]:
        known = {id(message): read for message, read in self._read}
        said = [message for message in view.thread if isinstance(message, BaseChatMessage)]
        self._read = [(message, known.get(id(message)) or self._as_read(message)) for message in said]
        return [read for _, read in self._read]

    def _as_read(self, message: BaseChatMessage) -> LLMMessage:
        sees = self.client.model_info["vision"]
        if message.source == NAME and not (sees and isinstance(message, MultiModalMessage)):
            return self._answer(message.to_model_text())
        # Assistants show no images: what the orchestrator said with some is read like a user's message.
        read = message.to_model_message()
        if isinstance(read.content, list) and not sees:
            return UserMessage(content=message.to_model_text(), source=message.source)
        return read

    def _say(self, view: TeamView, text: str, images: Sequence[Image] = ()) -> None:
        spent, self._spent = self._spent, RequestUsage(0, 0)
        if images:
            view.floor.say(MultiModalMessage(content=[text, *images], source=NAME, models_usage=spent))
        else:
            view.floor.say(TextMessage(content=text, source=NAME, models_usage=spent))

    # -- ledgers --------------------------------------------------------------------------------------------------

    async def reset(self) -> None:
        self._ledgers, self._read, self._spent = Ledgers(), [], RequestUsage(0, 0)

    async def save_state(self) -> dict[str, Any]:
        return self._ledgers.model_dump(mode="json")

    async def load_state(self, state: Mapping[str, Any]) -> None:
        self._ledgers = Ledgers.model_validate({key: state[key] for key in Ledgers.model_fields if key in state})


def _team(view: TeamView) -> str:
    return "\n".join(f"{name}: {' '.join(view.descriptions.get(name, '').split())}" for name in view.names)


class MagenticOneGroupChat(BaseGroupChat):
    """An orchestrator surveys the facts, plans, and directs the participants round by round until the task is done.

    ```python
    team = MagenticOneGroupChat([writer, critic], model_client=planner, max_turns=10)
    result = await team.run(task="Find out when the first haiku in English was printed.")
    ```

    A run without a task goes on with one that was broken off, or that met the limit; a new task starts over.

    Args:
        participants: Agents; teams may not take part.
        model_client: The orchestrator's model. It writes the progress ledger as structured output if it can, else in
            JSON mode, else as text.
        name: The team's name; default: its class.
        description: What it is good for.
        termination_condition: Ends a run; sees what participants say, neither the task nor the orchestrator.
        max_turns: Rounds, each opened by one progress ledger, after which the final answer is given in any case.
        runtime: Where the participants live; default: a runtime of the team's own.
        max_stalls: Rounds without progress after which facts and plan are written anew.
        final_answer_prompt: Asks for the final answer; used as it is, with `{task}` filled in.
        custom_message_types: Message classes of yours that the participants say.
        emit_team_events: Whether the choice of speakers is part of stream and result.

    Raises:
        ValueError: If there are no participants, two of one name, or `max_turns` or `max_stalls` is not positive.
        TypeError: If a participant is no agent, or the model client or the prompt is something else.
        ModelResponseInvalid: From a run, if the model gives no usable progress ledger in ten attempts; `partial` holds
            its last reply.
    """

    nests: ClassVar[bool] = False
    # Without the first two AutoGen does not load the config, and without the third it goes on without a limit.
    component_defaults: ClassVar[Mapping[str, Any]] = {
        "max_stalls": 3,
        "final_answer_prompt": prompts.FINAL_ANSWER,
        "max_turns": 20,
        "emit_team_events": False,
    }

    def __init__(
        self,
        participants: Sequence[ChatAgent],
        model_client: ChatCompletionClient,
        *,
        name: str | None = None,
        description: str | None = None,
        termination_condition: TerminationCondition | None = None,
        max_turns: int | None = 20,
        runtime: AgentRuntime | None = None,
        max_stalls: int = 3,
        final_answer_prompt: str = prompts.FINAL_ANSWER,
        custom_message_types: Sequence[type[BaseAgentEvent | BaseChatMessage]] | None = None,
        emit_team_events: bool = False,
    ) -> None:
        require_client(model_client, type(self).__name__)
        require_text(f"The final_answer_prompt of {type(self).__name__}", final_answer_prompt)
        at_least_one("max_stalls", max_stalls)
        at_least_one("max_turns", max_turns, none="no limit")
        orchestrator = Orchestrator(
            model_client, max_turns=max_turns, max_stalls=max_stalls, final_answer_prompt=final_answer_prompt
        )
        super().__init__(
            participants,
            orchestrator,
            name=name,
            description=description,
            termination_condition=termination_condition,
            max_turns=max_turns,
            runtime=runtime,
            custom_message_types=custom_message_types,
            emit_team_events=emit_team_events,
        )
        self._max_turns = None  # the orchestrator counts, and still answers at the limit
        self._orchestrator = orchestrator

    @property
    def manager_name(self) -> str:
        return NAME

    def _run_model(self) -> str:
        return models_of([super()._run_model(), name_of(self._orchestrator.client)])
