"""What a model client is, and what it says about itself."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Required

from pydantic import BaseModel

# Before 3.12 pydantic reads only these; they are its own dependency.
from typing_extensions import TypedDict, deprecated

from agentnb.core import CancellationToken, Component
from agentnb.core.schema import ParametersSchema
from agentnb.exceptions import UserError
from agentnb.messages import CreateResult, Image, LLMMessage, RequestUsage
from agentnb.models import prices
from agentnb.models.families import ModelFamily
from agentnb.runlog.recorded import model_create, model_stream, wrap

__all__ = [
    "BilledUsage",
    "ChatCompletionClient",
    "CountingClient",
    "ModelCapabilities",
    "ModelFamily",
    "ModelInfo",
    "ToolChoice",
    "ToolSchema",
    "UsageCounter",
    "check_request",
    "name_of",
    "refuse_images",
    "require_client",
    "tool_schema",
    "validate_model_info",
]


class ToolSchema(TypedDict, total=False):
    """A tool as a model server reads it."""

    name: Required[str]
    description: str
    parameters: ParametersSchema
    strict: bool


class ModelInfo(TypedDict, total=False):
    """What a model can do.

    The last three are agentnb's: `grammar` (a GBNF grammar binds the answer), `json_schema` (a JSON schema does) and
    `choices` (the answer is one of given texts). A client that lacks a key cannot do it.
    """

    vision: Required[bool]
    function_calling: Required[bool]
    json_output: Required[bool]
    family: Required[ModelFamily.ANY | str]
    structured_output: Required[bool]
    multiple_system_messages: bool
    grammar: bool
    json_schema: bool
    choices: bool


@deprecated("ModelCapabilities is now called ModelInfo.")
class ModelCapabilities(TypedDict):
    """What a model can do, as it was said before `ModelInfo`."""

    vision: bool
    function_calling: bool
    json_output: bool


def validate_model_info(model_info: ModelInfo) -> None:
    """Check that what a model can do is said completely; a missing `structured_output` is only warned about.

    Raises:
        ValueError: If one of `vision`, `function_calling`, `json_output`, `family` is missing.
    """
    if not isinstance(model_info, Mapping):
        raise UserError(f"model_info is {model_info!r}, not a dict that says what the model can do.")
    missing = [key for key in ("vision", "function_calling", "json_output", "family") if key not in model_info]
    if missing:
        raise UserError(f"model_info lacks {', '.join(missing)}; say what the model can do, e.g. 'vision': False.")
    if "structured_output" not in model_info:
        warnings.warn("model_info lacks 'structured_output'; taken as False.", UserWarning, stacklevel=2)


ToolChoice = Any
"""A tool, or "auto", "required", "none"."""


class ChatCompletionClient(Component, ABC):
    """A model that answers a conversation.

    Subclasses write the abstract members; `create` and `create_stream` are recorded in the run's log without their
    doing.
    """

    component_type: ClassVar[str] = "model"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        wrap(cls, create=model_create, create_stream=model_stream)

    @property
    def model_name(self) -> str:
        """The model in one short text, as in `openai:gpt-4o-mini`."""
        return type(self).__name__

    @property
    @abstractmethod
    def model_info(self) -> ModelInfo:
        """What the model can do."""

    @property
    def capabilities(self) -> ModelCapabilities:
        """What the model can do, by its old name; ask `model_info`."""
        warnings.warn("capabilities is now called model_info.", DeprecationWarning, stacklevel=2)
        info = self.model_info
        return {
            "vision": info["vision"],
            "function_calling": info["function_calling"],
            "json_output": info["json_output"],
        }

    @abstractmethod
    async def create(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Any] = (),
        tool_choice: ToolChoice = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> CreateResult:
        """Answer.

        Args:
            messages: The conversation, oldest first.
            tools: Tools or their schemas the model may call.
            tool_choice: "auto", "required", "none", or the one tool to call.
            json_output: True for any JSON, a pydantic class for JSON of its schema.
            extra_create_args: Further arguments of the provider. Three mean the same to every client that declares
                the capability in `model_info`: `grammar` (GBNF text), `choices` (list of texts, one of which is the
                answer), `json_schema` (a schema as a dict).
            cancellation_token: Cancelling it ends the request.

        Raises:
            ValueError: If the model cannot do what is asked; before any request.
            ModelError: If the server fails; see `agentnb.exceptions`.
        """

    @abstractmethod
    def create_stream(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Any] = (),
        tool_choice: ToolChoice = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> AsyncGenerator[str | CreateResult, None]:
        """Answer in pieces: texts as they come, then exactly one `CreateResult`, always last. Arguments as `create`.

        Raises:
            ModelResponseInvalid: If the client's stream ends without a result, or goes on after it.
        """

    def cost_usd(self, result: CreateResult) -> float | None:
        """Return the US dollars that an answer cost; None if its price is not known. Never raises.

        Here a price is what the user has said, see `agentnb.models.set_prices`; clients that know whom they ask know
        the makers' prices, too. A cached answer costs nothing.
        """
        return self._cost(result, listed=False)

    def _cost(self, result: CreateResult, *, listed: bool) -> float | None:
        if result.cached:
            return 0.0
        usage = result.usage
        if not usage.prompt_tokens and not usage.completion_tokens:
            return None  # the server did not count
        if not listed and not prices.are_given():
            return None
        cached = usage.cached_prompt_tokens if isinstance(usage, BilledUsage) else 0
        try:
            return prices.cost_usd(self.model_name, usage, cached_prompt_tokens=cached, listed=listed)
        except UserError as error:
            # The answer is there and paid for: a file of prices that cannot be read must not lose it.
            warnings.warn(f"What {self.model_name} costs is not known. {error}", UserWarning, stacklevel=2)
            return None

    @abstractmethod
    async def close(self) -> None:
        """Release connections."""

    @abstractmethod
    def actual_usage(self) -> RequestUsage:
        """Tokens of all requests that reached the model."""

    @abstractmethod
    def total_usage(self) -> RequestUsage:
        """Tokens of all requests, cached answers included."""

    @abstractmethod
    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Any] = ()) -> int:
        """Count the tokens of a conversation, estimated where the model's own count is not at hand."""

    @abstractmethod
    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Any] = ()) -> int:
        """Count what is left of the model's window."""


@dataclass(eq=False)
class BilledUsage(RequestUsage):
    """Tokens, what else decides their price, and who served them."""

    cached_prompt_tokens: int = 0
    """Tokens of the prompt that the server had kept from an earlier one."""
    service_tier: str = ""
    """How the server says it served the request, where that is not as usual: "flex", "priority"."""
    served_by: str | None = None
    """The model that answered, as the server names it."""
    fingerprint: str | None = None
    """The server's name for its configuration (`system_fingerprint`)."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RequestUsage):
            return NotImplemented
        ours = (self.prompt_tokens, self.completion_tokens)
        return ours == (other.prompt_tokens, other.completion_tokens)

    __hash__ = None  # type: ignore[assignment]


class UsageCounter:
    """Sums up tokens for the clients; cached answers count in the total only."""

    def __init__(self) -> None:
        self.actual = RequestUsage(0, 0)
        self.total = RequestUsage(0, 0)

    def add(self, usage: RequestUsage, *, cached: bool = False) -> None:
        """Add one request."""
        for sum_ in (self.total,) if cached else (self.total, self.actual):
            sum_.prompt_tokens += usage.prompt_tokens
            sum_.completion_tokens += usage.completion_tokens


class CountingClient(ChatCompletionClient, ABC):
    """A client that adds every answer's tokens to `self._usage`."""

    _usage: UsageCounter

    def actual_usage(self) -> RequestUsage:
        return self._usage.actual

    def total_usage(self) -> RequestUsage:
        return self._usage.total


def require_client(client: Any, whose: str) -> None:
    """Refuse what is no model client; one that only looks like one, as in tests, will do.

    Args:
        client: What was given.
        whose: Whose `model_client` it is to be, for the error.

    Raises:
        TypeError: If it lacks `create`, `create_stream` or `model_info`, or is a class.
    """
    if isinstance(client, ChatCompletionClient) or (_is_like_a_client(client) and not isinstance(client, type)):
        return
    way_out = "agentnb.models.choose().client is the one that is set up here"
    if isinstance(client, str):
        from agentnb.core import plugins
        from agentnb.models import catalog  # which imports this module

        text = f"openai:{client}" if catalog.info_of(client) else "openai:gpt-4o-mini"
        if client.partition(":")[0] in plugins.names("model"):
            text = client
        way_out = f"agentnb.models.model_from_text({text!r}) makes one of a text"
    elif isinstance(client, type) and _is_like_a_client(client):
        way_out = f"that is the class, so write {client.__name__}(…)"
    raise TypeError(f"The model_client of {whose} is {client!r:.80}; give a model client: {way_out}.")


def _is_like_a_client(client: Any) -> bool:
    return all(hasattr(client, name) for name in ("create", "create_stream", "model_info"))


def name_of(client: Any) -> str:
    """Return the model in one short text, also for what only looks like a client and has no `model_name`."""
    name = getattr(client, "model_name", None)
    return name if isinstance(name, str) else type(client).__name__


def tool_schema(tool: Any) -> ToolSchema:
    """Return a tool's schema; a schema is returned as it is."""
    return tool if isinstance(tool, Mapping) else tool.schema  # type: ignore[return-value]


def refuse_images(model: str, info: ModelInfo, messages: Sequence[LLMMessage]) -> None:
    """Raise a ValueError if there are pictures in the messages and the model cannot see them."""
    # By their tags: `isinstance` of a pydantic model is ten times as slow, and a history is long.
    if not info["vision"] and any(
        isinstance(part, Image)
        for m in messages
        if m.type == "UserMessage" and isinstance(m.content, list)
        for part in m.content
    ):
        raise UserError(f"{model} cannot see images; remove them, or choose a model with vision.")


def check_request(
    model: str,
    info: ModelInfo,
    messages: Sequence[LLMMessage],
    *,
    tools: Sequence[Any],
    tool_choice: ToolChoice,
    json_output: bool | type[BaseModel] | None,
    extra: Mapping[str, Any],
) -> None:
    """Refuse, before anything is sent, what the model cannot do.

    Raises:
        ValueError: Names the model and what it lacks.
    """
    if not messages:
        raise UserError(f"{model} was asked with no messages; give at least one.")
    if tools and not info["function_calling"]:
        raise UserError(f"{model} cannot call tools; choose a model that can, or give the agent no tools.")
    if json_output is True and not info["json_output"]:
        raise UserError(f"{model} does not promise JSON output; ask for plain text, or choose another model.")
    if isinstance(json_output, type) and not info.get("structured_output", False):
        raise UserError(f"{model} cannot bind its answer to {json_output.__name__}; choose a model that can.")
    for key in ("grammar", "choices", "json_schema"):
        if key in extra and not info.get(key, False):
            raise UserError(f"{model} does not take {key!r}; its model_info does not declare it.")
    refuse_images(model, info, messages)
    if isinstance(tool_choice, str):
        if tool_choice not in ("auto", "required", "none"):
            raise UserError(f"tool_choice is {tool_choice!r}; it must be 'auto', 'required', 'none' or a tool.")
    else:
        names = [tool_schema(tool)["name"] for tool in tools]
        if tool_choice.name not in names:
            raise UserError(f"tool_choice names {tool_choice.name!r}, which is not among the tools given ({names}).")
