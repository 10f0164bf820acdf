"""Every exception of agentnb, in one tree.

```
AgentnbError
├── UserError (ValueError)            something asked for is wrong: the caller's turn
│   ├── UnknownName (LookupError)     no such team, model, variable, column …
│   ├── MissingExtra (ImportError)    an optional dependency is not installed
│   ├── ActRefused                    a keeper of the mission refused it
│   ├── CodeNotAllowed                a config carries source code and nobody agreed to run it
│   ├── ParameterUntyped (KeyError)   a tool's parameter has no annotation
│   ├── SourceNotPortable             a function's source cannot stand alone, so it cannot be written down
│   ├── SchemaConversionError         a JSON schema cannot be made a model
│   │   ├── ReferenceNotFoundError, FormatNotSupportedError, UnsupportedKeywordError   (AutoGen's names)
│   └── HumanUnavailable              a person was asked and nobody is there
├── ModelError (RuntimeError)         the model or its server
│   ├── ModelNotConfigured            no key, no server, no weights
│   ├── ModelAuthError                the key was refused
│   ├── ModelNotFound                 the server does not know the model
│   ├── ModelUnreachable              no connection, or it was lost
│   ├── ModelTimeout                  no answer in time
│   ├── ModelRateLimited              too many requests; `retry_after` seconds
│   ├── ModelRequestRefused           the request itself was refused (400, too long …)
│   └── ModelResponseInvalid          the answer was cut off or is not what was asked for
│       └── AnswerUnfit (ValueError)  it is not of the type asked for
├── ToolError (RuntimeError)          a tool or the code it ran
│   ├── ToolNotFound
│   ├── ToolException                 a tool agent's call; `call_id`, `content`, `name` (AutoGen's names)
│   │   └── ToolNotFoundException, InvalidToolArgumentsException, ToolExecutionException
│   └── KernelError                   a kernel that executes code
│       ├── KernelDied
│       ├── KernelStartFailed
│       └── KernelTimeout (TimeoutError)
├── RuntimeFault (RuntimeError)       our own machinery
│   ├── LogUnreadable                 a run's file cannot be read
│   ├── AgentFailed                   an agent raised; the cause is chained
│   ├── CantHandleException, MessageDroppedException, NotAccessibleError   (AutoGen's names)
│   ├── UndeliverableException        a message has no recipient, or its runtime was stopped
│   │   └── UnknownAgentType (LookupError)
│   └── AgentBusy                     an agent takes no more at present; `retry_after` seconds
│       ├── MailboxFull
│       └── BreakerOpen
└── RunStopped                        a person stopped a run; what it did is kept
TerminatedException (BaseException)   a termination condition was called after it had fired (AutoGen's contract)
```
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = [
    "ActRefused",
    "AgentBusy",
    "AgentFailed",
    "AgentnbError",
    "AnswerUnfit",
    "BreakerOpen",
    "CantHandleException",
    "CodeNotAllowed",
    "FormatNotSupportedError",
    "HumanUnavailable",
    "InvalidToolArgumentsException",
    "KernelDied",
    "KernelError",
    "KernelStartFailed",
    "KernelTimeout",
    "LogUnreadable",
    "MailboxFull",
    "MessageDroppedException",
    "MissingExtra",
    "ModelAuthError",
    "ModelError",
    "ModelNotConfigured",
    "ModelNotFound",
    "ModelRateLimited",
    "ModelRequestRefused",
    "ModelResponseInvalid",
    "ModelTimeout",
    "ModelUnreachable",
    "NotAccessibleError",
    "ParameterUntyped",
    "ReferenceNotFoundError",
    "RunStopped",
    "RuntimeFault",
    "SchemaConversionError",
    "SourceNotPortable",
    "TerminatedException",
    "ToolError",
    "ToolException",
    "ToolExecutionException",
    "ToolNotFound",
    "ToolNotFoundException",
    "UndeliverableException",
    "UnknownAgentType",
    "UnknownName",
    "UnsupportedKeywordError",
    "UserError",
]


class AgentnbError(Exception):
    """The root of every error agentnb raises on purpose."""


class _OneLine(AgentnbError):
    """An error whose message says everything: a notebook shows it without the stack."""

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class UserError(_OneLine, ValueError):
    """What was asked for cannot be done as asked; the message says what can."""


class UnknownName(UserError, LookupError):
    """A name that is not known here; the message lists those that are."""


class MissingExtra(UserError, ImportError):
    """An optional dependency is missing; the message names the extra that brings it."""


class CodeNotAllowed(UserError):
    """A config carries source code, and the caller did not agree to run it."""


class ActRefused(UserError):
    """A keeper of the mission refused what was about to happen, such as a task or a tool call."""


class ParameterUntyped(UserError, KeyError):
    """A tool's parameter has no annotation; a `KeyError` too, as in AutoGen."""

    __str__ = Exception.__str__  # a KeyError would show the message quoted


class SourceNotPortable(UserError):
    """A function's source does not work away from where it was written; the message says what it lacks."""


class SchemaConversionError(UserError):
    """A JSON schema cannot be made a pydantic model."""


class ReferenceNotFoundError(SchemaConversionError):
    """A `$ref` of a JSON schema points to nothing in it."""


class FormatNotSupportedError(SchemaConversionError):
    """A JSON schema names a `format` that is not known for its type."""


class UnsupportedKeywordError(SchemaConversionError):
    """A JSON schema uses a keyword, or a type, that a model cannot keep."""


class HumanUnavailable(UserError):
    """A person was asked, and no front end or terminal is there to answer."""


class ModelError(_OneLine, RuntimeError):
    """The model or its server did not do what was asked.

    Attributes:
        partial: Text received before the failure; empty if none was.
    """

    def __init__(self, message: str, *, partial: str = "") -> None:
        super().__init__(message)
        self.partial = partial


class ModelNotConfigured(ModelError):
    """No key, no server or no weights for the model that was chosen."""


class ModelAuthError(ModelError):
    """The server refused the key."""


class ModelNotFound(ModelError):
    """The server does not know the model."""


class ModelUnreachable(ModelError):
    """No connection to the server, or it was lost in mid-answer."""


class ModelTimeout(ModelError):
    """The server did not answer in time."""


class ModelRateLimited(ModelError):
    """The server asks to wait.

    Attributes:
        retry_after: Seconds the server asked for; None if it did not say.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, partial: str = "") -> None:
        super().__init__(message, partial=partial)
        self.retry_after = retry_after


class ModelRequestRefused(ModelError):
    """The server refused the request itself: malformed, too long, against its rules."""


class ModelResponseInvalid(ModelError):
    """The answer was cut off, malformed, or not of the kind asked for."""


class AnswerUnfit(ModelResponseInvalid, ValueError):
    """The answer is not of the type asked for; pydantic's error, a `ValueError` as well, is the cause."""


class ToolError(AgentnbError, RuntimeError):
    """A tool, or the code it ran, failed."""


class ToolNotFound(ToolError, LookupError):
    """No tool of that name; the message lists those that exist."""


class ToolException(ToolError):
    """A call to a tool agent failed.

    Attributes:
        call_id: The call.
        content: What went wrong; also what `str` shows.
        name: The tool.
    """

    def __init__(self, call_id: str, content: str, name: str) -> None:
        super().__init__(content)
        self.call_id = call_id
        self.content = content
        self.name = name

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.call_id, self.content, self.name)


class ToolNotFoundException(ToolException, LookupError):
    """The tool agent has no such tool; the message lists those it has."""


class InvalidToolArgumentsException(ToolException):
    """The arguments of the call are no JSON object."""


class ToolExecutionException(ToolException):
    """The tool failed, or its arguments do not fit; the cause is chained."""


class KernelError(ToolError):
    """A kernel that executes code failed.

    Attributes:
        output: What the code had shown by then, as text.
        outputs: The same as mime bundles.
    """

    def __init__(self, message: str, *, output: str = "", outputs: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(message)
        self.output = output
        self.outputs = list(outputs)


class KernelDied(KernelError):
    """The kernel's process ended while it was needed; its variables are lost."""


class KernelStartFailed(KernelError):
    """The kernel did not start."""


class KernelTimeout(KernelError, TimeoutError):
    """The code took longer than it was allowed; the message says whether variables are kept."""


class RuntimeFault(AgentnbError, RuntimeError):
    """agentnb's own machinery cannot go on."""


class LogUnreadable(RuntimeFault):
    """A run's file is missing, of a newer format, or damaged before its last line."""


class AgentFailed(RuntimeFault):
    """An agent raised during its turn; the original exception is `__cause__`."""


class CantHandleException(RuntimeFault):
    """A handler does not take this message."""


class UndeliverableException(RuntimeFault):
    """A message has no recipient."""


class UnknownAgentType(UndeliverableException, LookupError):
    """No agent of that type is registered; the message lists those that are."""


class AgentBusy(RuntimeFault):
    """An agent takes no more messages at present.

    Attributes:
        retry_after: Seconds until it is worth to try again; None if that is not known.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class MailboxFull(AgentBusy):
    """An agent has as many messages as its capacity allows."""


class BreakerOpen(AgentBusy):
    """An agent failed too often in a row; its breaker lets nothing through for a while."""


class MessageDroppedException(RuntimeFault):
    """An intervention handler dropped the message."""


class NotAccessibleError(RuntimeFault):
    """An agent that does not live in this process was asked for its object."""


class RunStopped(_OneLine):
    """A person stopped the run; its log and messages are kept.

    Attributes:
        result: What the run had produced, None if it had not begun.
    """

    def __init__(self, message: str, *, result: Any = None) -> None:
        super().__init__(message)
        self.result = result


class TerminatedException(BaseException):
    """A termination condition was called after it had fired; call `reset()` first."""
