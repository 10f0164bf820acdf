"""The facts a run leaves behind: one frozen model per kind.

Seconds are floats, times are aware UTC, tokens are counts as the server reported them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, SerializeAsAny

from agentnb.core import EventId, Text
from agentnb.messages import (
    BaseMessage,
    CodeBlock,
    CreateResult,
    LLMMessage,
    MemoryContent,
    MemoryMimeType,
    read_message,
)
from agentnb.messages.unchecked import made
from agentnb.messages.unchecked import unchecked as unchecked


class Usage(BaseModel, frozen=True, defer_build=True):
    """What a fact cost; None where it is not known."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    """US dollars at the price when called."""


class _Body(BaseModel):
    """What happened."""

    model_config = ConfigDict(defer_build=True, frozen=True)

    if TYPE_CHECKING:

        @classmethod
        def of(cls, **values: Any) -> Self:
            """Make the fact of values known to be right."""
    else:
        of = classmethod(made)


class Participant(BaseModel, frozen=True, defer_build=True):
    """One who takes part in a run."""

    name: str
    description: str = ""
    role: str = ""
    """The class, as in `AssistantAgent`."""


class RunStarted(_Body, frozen=True):
    """A team or an agent was given a task; the task's messages follow."""

    kind: Literal["run.started"] = "run.started"
    runner: str
    runner_type: str
    participants: tuple[Participant, ...] = ()
    model: str = ""
    """The model in one short text, as in `openai:gpt-4o-mini`; empty where there is none or several."""
    component: dict[str, Any] | None = None
    """How the runner was made; what cannot be written is named."""
    continues: str | None = None
    """The id of the run whose conversation goes on here."""
    resumed: bool | None = None
    """True where that run was broken off, and is taken up where it stood."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Of agentnb-toolkit, Python and packages, by the name they are installed by."""
    circumstances: dict[str, Any] | None = None
    """Under what circumstances it started: see `agentnb.runlog.circumstances`; None for a run within a run."""


class RunFinished(_Body, frozen=True):
    """The run is over: by itself, because a person stopped it, or by an error."""

    kind: Literal["run.finished"] = "run.finished"
    outcome: Literal["done", "stopped", "failed"]
    stop_reason: str | None = None
    turns: int = 0
    messages: int = 0


class ErrorRaised(_Body, frozen=True):
    """Something raised; `traceback` is text."""

    kind: Literal["error"] = "error"
    type: str
    message: Text
    traceback: Text = ""


class TurnStarted(_Body, frozen=True):
    """An agent has the word."""

    kind: Literal["turn.started"] = "turn.started"
    agent: str
    turn: int
    """Counted from 1 within the run."""
    again: int | None = None
    """The `seq` of the `turn.started` fact of the turn that broke off and is taken up here."""


class TurnFinished(_Body, frozen=True):
    """The agent gave the word back.

    What its model context holds now is the first `keep` entries it held at the end of its turn before, then `added`:
    `seq`s as of a `model.started` fact. Both are None for agents without one.
    """

    kind: Literal["turn.finished"] = "turn.finished"
    agent: str
    turn: int
    outcome: Literal["done", "stopped", "failed"] = "done"
    keep: int | None = None
    added: tuple[int, ...] | None = None


class Said(_Body, frozen=True):
    """A chat message or an event of AutoGen's vocabulary."""

    kind: Literal["message"] = "message"
    message: Annotated[SerializeAsAny[BaseMessage], BeforeValidator(read_message)]
    left_out: bool | None = None
    """True where it is no part of the run's result, as a task may be."""
    heard: bool | None = None
    """False where no participant is told, as of the choice of a speaker; True where all are, whoever speaks next."""


class Retracted(_Body, frozen=True):
    """A message was taken back before anybody was told."""

    kind: Literal["retracted"] = "retracted"
    said: int
    """The `seq` of the message."""
    anew: bool | None = None
    """True where what broke off is taken up again and says it anew: it is no part of the result then."""


class Forgotten(_Body, frozen=True):
    """A team began its conversation anew: its thread is empty, and its agents remember nothing."""

    kind: Literal["forgotten"] = "forgotten"


class Branched(_Body, frozen=True):
    """Another run's facts go on differently from here: the first `at` facts are that run's."""

    kind: Literal["branch"] = "branch"
    origin: str
    """The other run's id."""
    at: int
    why: Text = ""


class Relayed(_Body, frozen=True):
    """A run took up what a run within it had said, so it is part of its result too."""

    kind: Literal["relay"] = "relay"
    said: int
    """The `seq` of the message."""


class AgentState(_Body, frozen=True):
    """The state of an agent, a team, or who chooses a team's speakers, that the log cannot rebuild otherwise."""

    kind: Literal["state"] = "state"
    agent: str
    state: dict[str, Any]


class SpeakerChosen(_Body, frozen=True):
    """Who speaks next, and why."""

    kind: Literal["speaker"] = "speaker"
    names: tuple[str, ...]
    why: str | None = None
    """A sentence for a person."""
    rule: str | None = None
    """What decided, in a word or two, such as "in turn", "model", "only candidate", "fallback"."""
    candidates: tuple[str, ...] | None = None
    """Who could have been chosen; None where everybody could."""
    answer: Text | None = None
    """What a model answered when it was asked to choose, word for word."""
    attempts: int | None = None
    """How often it was asked."""
    asked: tuple[int, ...] | None = None
    """`seq`s of the `model.started` facts of the choice: `agentnb.runlog.shown` gives their prompts."""


class RunPaused(_Body, frozen=True):
    """A run is held behind the turn that goes on, goes on again, or may have one more turn."""

    kind: Literal["pause"] = "pause"
    state: Literal["paused", "resumed", "step"]


class ContextAdded(_Body, frozen=True):
    """A model was shown this message for the first time.

    `said` is the `seq` of the message that holds the same text; `message` is given where there is none. Its text may go
    on from another: it then begins with the first `keep` characters of the message of the `context` fact at seq
    `after`, and `message` holds what follows. A prompt that repeats the conversation so takes the space of what is new.
    """

    kind: Literal["context"] = "context"
    role: str
    said: int | None = None
    message: LLMMessage | None = None
    after: int | None = None
    keep: int | None = None


class ModelStarted(_Body, frozen=True):
    """A model was asked.

    What it was shown is the first `keep` entries of the call at seq `base` (none where `base` is None), then `added`:
    `seq`s of `message` facts, and of `context` facts for what was not said so. What the asker said itself is an answer
    of the model's, what others said comes from a user. A log so grows with what was said, not with its square.
    """

    kind: Literal["model.started"] = "model.started"
    model: str
    base: int | None = None
    keep: int = 0
    added: tuple[int, ...] = ()
    tools: tuple[str, ...] = ()
    tool_choice: str = "auto"
    output: str = "text"
    """"text", "json", or the name of the schema asked for."""
    options: dict[str, Any] = Field(default_factory=dict)
    streaming: bool = False


class ModelFinished(_Body, frozen=True):
    """A model answered, or failed to."""

    kind: Literal["model.finished"] = "model.finished"
    model: str
    result: CreateResult | None = None
    error: Text | None = None
    partial: Text = ""
    """Text streamed before the failure."""
    returned_model: str | None = None
    """The model that answered, as its server names it."""
    fingerprint: str | None = None
    """The server's name for its configuration."""


class ToolStarted(_Body, frozen=True):
    """A tool was called."""

    kind: Literal["tool.started"] = "tool.started"
    tool: str
    call_id: str | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)


class ToolFinished(_Body, frozen=True):
    """A tool returned, or failed."""

    kind: Literal["tool.finished"] = "tool.finished"
    tool: str
    call_id: str | None = None
    result: Text = ""
    is_error: bool = False
    parts: tuple[dict[str, Any], ...] | None = None
    """The result's parts, where it is more than a text."""


MemoryAction = Literal["update_context", "query", "add", "clear"]


class MemoryStarted(_Body, frozen=True):
    """A memory was used; `text` is what was asked for, or what it is to remember, and `content` what it leaves out."""

    kind: Literal["memory.started"] = "memory.started"
    memory: str
    """Its name, or its class."""
    action: MemoryAction
    text: Text = ""
    content: dict[str, Any] | None = None
    """What it is to remember as JSON, where that is more than a plain text: its mime type, its metadata, and its
    content where `text` only names that or describes it."""

    @property
    def learnt(self) -> MemoryContent:
        """What it is to remember; of a fact without `content`, its text."""
        plain = {"content": self.text, "mime_type": MemoryMimeType.TEXT.value}
        return MemoryContent.model_validate(plain | (self.content or {}))


class MemoryFinished(_Body, frozen=True):
    """A memory did what was asked of it, or failed to; `found` counts the contents it gave."""

    kind: Literal["memory.finished"] = "memory.finished"
    memory: str
    action: MemoryAction
    found: int = 0
    error: Text | None = None


class CodeStarted(_Body, frozen=True):
    """Code was handed to an executor."""

    kind: Literal["code.started"] = "code.started"
    executor: str
    blocks: tuple[CodeBlock, ...]
    again: int | None = None
    """The `seq` of the fact of the same code that ran before, where it only runs again to have its variables."""


class CodeFinished(_Body, frozen=True):
    """The code ended; `outputs` are mime bundles in the order they appeared."""

    kind: Literal["code.finished"] = "code.finished"
    executor: str
    exit_code: int | None = None
    output: Text = ""
    outputs: tuple[dict[str, Any], ...] = ()
    error: Text | None = None


class VariablesShared(_Body, frozen=True):
    """A person's variables were handed to an executor."""

    kind: Literal["variables"] = "variables"
    executor: str
    names: tuple[str, ...]
    summary: Text = ""


class InputRequested(_Body, frozen=True):
    """A person is asked."""

    kind: Literal["input.requested"] = "input.requested"
    input_id: str
    prompt: Text
    choices: tuple[str, ...] = ()
    suggestion: Text = ""
    """An answer to begin with, such as the code to be changed."""
    by: str = ""
    """How the answer comes, where not by who shows the log, as in "terminal" or "input_func"."""


class InputAnswered(_Body, frozen=True):
    """A person answered; `by` is the way the answer came."""

    kind: Literal["input.answered"] = "input.answered"
    input_id: str
    text: Text
    by: str = ""


class Noted(_Body, frozen=True):
    """A remark: a person's, or the program's about what it did."""

    kind: Literal["note"] = "note"
    text: Text
    by: str = ""


class AgentMade(_Body, frozen=True):
    """A runtime made an agent, or its factory failed."""

    kind: Literal["agent.made"] = "agent.made"
    agent: str
    """"type/key"."""
    role: str = ""
    """The class, as in `RoutedAgent`."""
    description: str = ""
    error: Text | None = None


EnvelopeSort = Literal["send", "publish", "response"]


class EnvelopeSent(_Body, frozen=True):
    """A message was given to a runtime; a handler's return value is sent back as a `response`."""

    kind: Literal["envelope.sent"] = "envelope.sent"
    message_id: str
    sort: EnvelopeSort
    sender: str | None = None
    """"type/key"; None for code outside of the runtime."""
    recipient: str | None = None
    """"type/key" of an agent, "type/source" of a topic for `publish`; None for code outside of the runtime."""
    type: str
    """The message's class."""
    payload: Text = ""
    """The message as JSON; its `repr` where no serializer is known."""


class EnvelopeIntercepted(_Body, frozen=True):
    """An intervention handler saw a message and let it go on."""

    kind: Literal["envelope.intercepted"] = "envelope.intercepted"
    message_id: str
    sort: EnvelopeSort
    by: str
    """The handler's class."""
    changed: bool = False


class EnvelopeDelivered(_Body, frozen=True):
    """An agent's handler began with a message, or a response reached who waits for it."""

    kind: Literal["envelope.delivered"] = "envelope.delivered"
    message_id: str
    sort: EnvelopeSort
    agent: str | None
    """Who has it now: "type/key"; None for code outside of the runtime."""
    sender: str | None = None
    topic: str | None = None
    role: str = ""
    """The class of the agent."""


class EnvelopeHandled(_Body, frozen=True):
    """The handler ended; its parent is the `envelope.delivered` fact, `took` its seconds."""

    kind: Literal["envelope.handled"] = "envelope.handled"
    message_id: str
    agent: str
    outcome: Literal["done", "stopped", "failed"] = "done"
    error: Text | None = None
    error_type: str | None = None


class EnvelopeDropped(_Body, frozen=True):
    """A message will not be delivered."""

    kind: Literal["envelope.dropped"] = "envelope.dropped"
    message_id: str
    sort: EnvelopeSort
    sender: str | None = None
    recipient: str | None = None
    by: str
    """An intervention handler's class, or what kept it: "capacity", "factory", "sender", "stop", "error"."""
    why: str = ""


class CapacityChanged(_Body, frozen=True):
    """An agent's mailbox became full or has room again; its breaker opened, lets one message try, or closed."""

    kind: Literal["capacity"] = "capacity"
    agent: str
    state: Literal["full", "room", "open", "half-open", "closed"]
    failures: int = 0
    retry_after: float | None = None
    """Seconds until it is worth to try again."""


class VerdictGiven(_Body, frozen=True):
    """Something said, or about to happen, was held against a charter by one check."""

    kind: Literal["verdict"] = "verdict"
    by: str
    """The keeper."""
    check: str
    act: str
    """What kind of act: see `agentnb.runlog.guards.ActKind`."""
    agent: str
    """Who acts."""
    text: Text = ""
    allowed: bool
    reason: Text = ""


class UnknownFact(_Body, frozen=True):
    """A fact of a kind this version does not know; its data is kept."""

    kind: Literal["unknown"] = "unknown"
    data: dict[str, Any]


Body = (
    RunStarted
    | RunFinished
    | ErrorRaised
    | TurnStarted
    | TurnFinished
    | Said
    | Relayed
    | Retracted
    | Forgotten
    | Branched
    | AgentState
    | SpeakerChosen
    | RunPaused
    | ContextAdded
    | ModelStarted
    | ModelFinished
    | ToolStarted
    | ToolFinished
    | MemoryStarted
    | MemoryFinished
    | CodeStarted
    | CodeFinished
    | VariablesShared
    | InputRequested
    | InputAnswered
    | Noted
    | AgentMade
    | EnvelopeSent
    | EnvelopeIntercepted
    | EnvelopeDelivered
    | EnvelopeHandled
    | EnvelopeDropped
    | CapacityChanged
    | VerdictGiven
    | UnknownFact
)

BODIES: dict[str, type[BaseModel]] = {cls.model_fields["kind"].default: cls for cls in Body.__args__}


def read_body(data: Any) -> Any:
    """Make a body from a log's data; one of an unknown kind becomes an `UnknownFact`."""
    if isinstance(data, BaseModel):
        return data
    cls = BODIES.get(data.get("kind"))
    return UnknownFact(data=data) if cls is None else cls.model_validate(data)


class Event(BaseModel, frozen=True, defer_build=True):
    """One fact."""

    id: EventId
    seq: int
    """Dense in its log, from 1."""
    parent: EventId | None = None
    """What caused it."""
    at: AwareDatetime
    took: float | None = None
    """Seconds, on facts that end something."""
    source: str = ""
    """Who: "team/agent"."""
    usage: Usage | None = None
    body: Annotated[SerializeAsAny[_Body], BeforeValidator(read_body)]

    @property
    def kind(self) -> str:
        """What sort of thing happened, as in `"turn.started"`."""
        return self.body.kind  # type: ignore[attr-defined,no-any-return]


class OutputChunk(BaseModel, frozen=True, defer_build=True):
    """A piece of output of code that still runs: fanned out to watchers, never stored."""

    code: EventId
    """The `code.started` fact."""
    data: dict[str, Any]
    """A mime bundle; `{"text/plain": …}` for streams."""
