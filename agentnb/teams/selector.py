"""A model, or a function, says who speaks next."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, ClassVar

from agentnb.base import ChatAgent, Team, TerminationCondition, models_of
from agentnb.core import new_id
from agentnb.core.arguments import at_least_one, require_function
from agentnb.exceptions import ModelRequestRefused, ModelResponseInvalid, UserError
from agentnb.messages import (
    AssistantMessage,
    BaseChatMessage,
    CreateResult,
    HandoffMessage,
    LLMMessage,
    ModelClientStreamingChunkEvent,
    SelectorEvent,
    SystemMessage,
    UserMessage,
)
from agentnb.model_context import ChatCompletionContext, UnboundedChatCompletionContext
from agentnb.model_context.base import require_context
from agentnb.models.base import ChatCompletionClient, name_of, require_client
from agentnb.models.families import ModelFamily
from agentnb.runlog import current
from agentnb.runtimes import AgentRuntime
from agentnb.teams.base import Choice, Floor, Item, RememberingPolicy, TeamView
from agentnb.teams.group_chat import BaseGroupChat
from agentnb.teams.selector_prompt import (
    DEFAULT_SELECTOR_PROMPT,
    checked_prompt,
    history,
    names_in,
    objection,
    roles,
)

MANAGER = "SelectorGroupChatManager"

SelectorFuncType = Callable[[Sequence[Item]], str | None] | Callable[[Sequence[Item]], Awaitable[str | None]]
CandidateFuncType = Callable[[Sequence[Item]], Sequence[str]] | Callable[[Sequence[Item]], Awaitable[Sequence[str]]]


class Selector:
    """A model that is asked for one name, and asked again, with the reason, when its answer is none.

    Args:
        client: The model.
        prompt: What it is asked, with `{roles}`, `{participants}` and `{history}`.
        attempts: How often it is asked for one choice.
        context: What it is shown of the conversation.
        streams: Whether it answers in pieces.
        shows: Whether those who watch see the answer, if it streams.
    """

    def __init__(
        self,
        client: ChatCompletionClient,
        *,
        prompt: str,
        attempts: int,
        context: ChatCompletionContext,
        streams: bool,
        shows: bool,
    ) -> None:
        self._client = client
        self._prompt = checked_prompt(prompt)
        self._attempts: int = at_least_one("max_selector_attempts", attempts)
        self._context = context
        self._streams = streams
        self._shows = streams and shows
        self._binds = bool(client.model_info.get("choices"))
        self._fresh: Mapping[str, Any] | None = None
        self._told = 0
        self._last: Item | None = None

    async def choose(self, view: TeamView, candidates: Sequence[str], previous: str | None) -> Choice:
        """Ask for one of the candidates; if no answer is one, who spoke last or the next in order is taken."""
        conversation = [await self._question(view, candidates)]
        answer = ""
        for asked in range(1, self._attempts + 1):
            answer = await self._answer(conversation, candidates, view.floor)
            found = names_in(answer, view.names)
            wrong = objection(found, candidates, previous)
            if wrong is None:
                times = f", asked {asked} times" if asked > 1 else ""
                why = f"The model named {found[0]}{times}."
                return Choice((found[0],), "model", why, tuple(candidates), answer, asked)
            if answer.strip():  # servers refuse what is empty
                conversation.append(AssistantMessage(content=answer, source="selector"))
            conversation.append(UserMessage(content=wrong, source="user"))
        name, reason = _instead(view.names, candidates, previous)
        times = "once" if self._attempts == 1 else f"{self._attempts} times"
        why = f"The model was asked {times} and named nobody who may speak: {name} does, {reason}."
        here = current()
        if here is not None:
            here.log.note(why)
        return Choice((name,), "fallback", why, tuple(candidates), answer, self._attempts)

    async def _question(self, view: TeamView, candidates: Sequence[str]) -> LLMMessage:
        await self._listen(view.thread)
        text = self._prompt.format(
            roles=roles(view.descriptions),
            participants=str(list(candidates)),
            history=history(await self._context.get_messages()),
        )
        if ModelFamily.is_openai(self._client.model_info["family"]):
            return SystemMessage(content=text)
        return UserMessage(content=text, source="user")

    async def _listen(self, thread: Sequence[Item]) -> None:
        if self._told and (self._told > len(thread) or thread[self._told - 1] is not self._last):
            await self.forget()  # something was taken back: what follows it stands elsewhere now
        if self._fresh is None:
            self._fresh = await self._context.save_state()
        for message in thread[self._told :]:
            if isinstance(message, HandoffMessage):
                for before in message.context:
                    await self._context.add_message(before)
            if isinstance(message, BaseChatMessage):
                await self._context.add_message(message.to_model_message())
            self._told += 1
            self._last = message

    async def forget(self) -> None:
        """Go back to the context as it was before anything was said; the thread is listened to anew."""
        self._told = 0
        self._last = None
        if self._fresh is not None:
            await self._context.clear()
            await self._context.load_state(self._fresh)

    async def _answer(self, conversation: Sequence[LLMMessage], candidates: Sequence[str], floor: Floor) -> str:
        if not self._binds:
            return await self._ask(conversation, floor)
        try:
            return await self._ask(conversation, floor, extra_create_args={"choices": list(candidates)})
        except ModelResponseInvalid as error:
            # The server does not bind its model, whose answer may be right even so.
            if self._shows:
                floor.say(SelectorEvent(content=error.partial, source=MANAGER), heard=False)
            return error.partial
        except ModelRequestRefused:
            # Some servers refuse what others of their kind can; what is wrong otherwise is refused again.
            self._binds = False
            return await self._ask(conversation, floor)

    async def _ask(self, conversation: Sequence[LLMMessage], floor: Floor, **options: Any) -> str:
        if not self._streams:
            return _text(await self._client.create(conversation, **options))
        message_id = new_id()
        result: CreateResult | None = None
        async with aclosing(self._client.create_stream(conversation, **options)) as pieces:
            async for piece in pieces:
                if isinstance(piece, CreateResult):
                    result = piece
                elif self._shows:
                    floor.chunk(
                        ModelClientStreamingChunkEvent(content=piece, source=MANAGER, full_message_id=message_id)
                    )
        if result is None:
            raise ModelResponseInvalid(f"{name_of(self._client)} ended its stream without a result.")
        answer = _text(result)
        if self._shows:
            event = SelectorEvent(id=message_id, content=answer, source=MANAGER, models_usage=result.usage)
            floor.say(event, heard=False)
        return answer


def _text(result: CreateResult) -> str:
    return result.content if isinstance(result.content, str) else ""


def _instead(names: Sequence[str], candidates: Sequence[str], previous: str | None) -> tuple[str, str]:
    if previous in candidates:
        return str(previous), "who spoke last and may go on"
    if previous not in names:
        return candidates[0], "the first who may"
    behind = list(names).index(str(previous)) + 1
    following = [name for name in (*names[behind:], *names[:behind]) if name in candidates]
    return following[0], f"the next in order, for {previous}, who spoke last, may not go on"


class SelectorPolicy(RememberingPolicy):
    """Asks `selector_func`, then leaves the choice of the candidates to a model.

    Args:
        selector: The model.
        repeats: Whether who spoke last may speak again.
        selector_func: Names the speaker, or None to leave it to the model.
        candidate_func: Names those who may speak; who spoke last may, if it is among them.
    """

    state_type = "SelectorManagerState"
    follows = True

    def __init__(
        self,
        selector: Selector,
        *,
        repeats: bool,
        selector_func: SelectorFuncType | None,
        candidate_func: CandidateFuncType | None,
    ) -> None:
        self._selector = selector
        self._repeats = repeats
        self._selector_func = selector_func
        self._candidate_func = candidate_func
        self._previous: str | None = None

    async def __call__(self, view: TeamView) -> Choice:
        if self._selector_func is not None:
            named = await _asked(self._selector_func, view)
            if named is not None:
                self._check("selector_func", [named], view)
                return Choice((named,), "selector_func", f"selector_func named {named}.")
        candidates, why = await self._candidates(view)
        if len(candidates) == 1:
            return Choice(candidates, "only candidate", why, candidates)
        return await self._selector.choose(view, candidates, self._previous)

    async def _candidates(self, view: TeamView) -> tuple[tuple[str, ...], str]:
        if self._candidate_func is None:
            candidates = tuple(name for name in view.names if self._repeats or name != self._previous)
            return candidates, f"Nobody else may speak: {self._previous} spoke last."
        given = await _asked(self._candidate_func, view)
        if isinstance(given, str) or not isinstance(given, Sequence) or not given:
            raise UserError(
                f"candidate_func gave {given!r:.80}; it must give a list of at least one name of "
                f"{', '.join(map(repr, view.names))}."
            )
        self._check("candidate_func", given, view)
        return tuple(dict.fromkeys(given)), "candidate_func left nobody else."

    def _check(self, function: str, given: Sequence[Any], view: TeamView) -> None:
        unknown = [name for name in given if name not in view.names]
        if unknown:
            raise UserError(
                f"{function} named {', '.join(map(repr, unknown))}, who takes no part here "
                f"(participants: {', '.join(map(repr, view.names))})."
            )

    async def heard(self, view: TeamView, round: Mapping[str, Sequence[Item]]) -> None:
        self._previous = list(round)[-1]

    async def reset(self) -> None:
        self._previous = None
        await self._selector.forget()

    async def save_state(self) -> dict[str, Any]:
        return {"previous_speaker": self._previous}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        previous = state.get("previous_speaker")
        if previous is not None and not isinstance(previous, str):
            raise UserError(f"The state's 'previous_speaker' is {previous!r}; it must be a name, or None.")
        self._previous = previous


async def _asked(function: Callable[[list[Item]], Any], view: TeamView) -> Any:
    given = function(list(view.thread))
    return await given if inspect.isawaitable(given) else given


class SelectorGroupChat(BaseGroupChat):
    """A model says who speaks next, from what everybody is good for and what was said.

    ```python
    team = SelectorGroupChat([writer, critic], client, max_turns=4)
    result = await team.run(task="Write a haiku about autumn.")
    ```

    Each choice and its reason are in the log, as `agentnb.runlog.SpeakerChosen`.

    Args:
        participants: At least two agents or teams; the model reads their descriptions.
        model_client: The model. Where it can be bound to given texts, it is bound to the names of the candidates.
        name: The team's name; default: its class.
        description: What it is good for.
        termination_condition: Ends a run.
        max_turns: Ends a run after so many turns.
        runtime: Where the participants live.
        selector_prompt: What the model is asked. `{roles}` stands for the participants with their descriptions,
            `{participants}` for the names of those who may speak now, `{history}` for what was said.
        allow_repeated_speaker: Whether who spoke last may be chosen again.
        max_selector_attempts: How often the model is asked for one choice; then who spoke last goes on, or, if that
            is not allowed, the next in order speaks.
        selector_func: A function, plain or `async`, of the thread, events included, that gives a name, or None to
            leave the choice to the model.
        candidate_func: A function, plain or `async`, of the thread that gives the names of those who may speak,
            whether or not they spoke last.
        custom_message_types: Message classes of yours that the participants say.
        emit_team_events: Whether choices are part of stream and result.
        model_client_streaming: Whether the model streams; its pieces and its answer, with the tokens it took, are
            then among the team's events.
        model_context: What the model is shown of the conversation; default: all of it.

    Raises:
        ValueError: If there are fewer than two participants, the prompt cannot be filled in, or a number is not
            positive; at a choice, if a function names somebody who takes no part.
        TypeError: If the model client, the context, or one of the functions is something else.
    """

    # Without the first two AutoGen does not load the config.
    component_defaults: ClassVar[Mapping[str, Any]] = {
        "selector_prompt": DEFAULT_SELECTOR_PROMPT,
        "allow_repeated_speaker": False,
        "max_selector_attempts": 3,
        "emit_team_events": False,
        "model_client_streaming": False,
    }

    def __init__(
        self,
        participants: Sequence[ChatAgent | Team],
        model_client: ChatCompletionClient,
        *,
        name: str | None = None,
        description: str | None = None,
        termination_condition: TerminationCondition | None = None,
        max_turns: int | None = None,
        runtime: AgentRuntime | None = None,
        selector_prompt: str = DEFAULT_SELECTOR_PROMPT,
        allow_repeated_speaker: bool = False,
        max_selector_attempts: int = 3,
        selector_func: SelectorFuncType | None = None,
        candidate_func: CandidateFuncType | None = None,
        custom_message_types: Sequence[type[Item]] | None = None,
        emit_team_events: bool = False,
        model_client_streaming: bool = False,
        model_context: ChatCompletionContext | None = None,
    ) -> None:
        require_client(model_client, type(self).__name__)
        require_context(model_context, type(self).__name__)
        for argument, function in (("selector_func", selector_func), ("candidate_func", candidate_func)):
            if function is not None:
                require_function(
                    f"The {argument} of {type(self).__name__}", function, "a function of the messages so far"
                )
        selector = Selector(
            model_client,
            prompt=selector_prompt,
            attempts=max_selector_attempts,
            context=model_context or UnboundedChatCompletionContext(),
            streams=model_client_streaming,
            shows=emit_team_events,
        )
        super().__init__(
            participants,
            SelectorPolicy(
                selector,
                repeats=allow_repeated_speaker,
                selector_func=selector_func,
                candidate_func=candidate_func,
            ),
            name=name,
            description=description,
            termination_condition=termination_condition,
            max_turns=max_turns,
            runtime=runtime,
            custom_message_types=custom_message_types,
            emit_team_events=emit_team_events,
        )
        if len(participants) < 2:
            raise UserError(
                f"{self.name!r} has one participant, {participants[0].name!r}; there is nobody else to choose. Give "
                "it two or more, or use a RoundRobinGroupChat."
            )
        self._model_client = model_client

    @property
    def manager_name(self) -> str:
        return MANAGER

    def _run_model(self) -> str:
        return models_of([super()._run_model(), name_of(self._model_client)])

    async def close(self) -> None:
        """Release what the agents and the model hold, such as kernels and connections."""
        await super().close()
        await self._model_client.close()
