# mypy: ignore-errors
"""What a program in AutoGen's names said and asked, written down without ids and times: the same for both packages."""

import asyncio
import contextlib
import io
import json

from autogen_agentchat.base import Response, TaskResult
from autogen_core import FunctionCall
from autogen_core.models import CreateResult, ModelFamily, ModelInfo, RequestUsage
from autogen_ext.models.replay import ReplayChatCompletionClient
from pydantic import BaseModel

PROGRAMS = {}
PASSING = {"id", "created_at", "full_message_id", "request_id"}
"""Fields that differ from run to run."""
OURS = {"code_output", "exit_code"}
"""Metadata that AutoGen does not have."""


def program(function):
    """Take a function among the programs that are compared."""
    PROGRAMS[function.__name__] = function
    return function


def call(name, /, **arguments):
    """A model's wish to call one tool."""
    return calls((name, arguments))


def calls(*wanted, thought=None):
    """A model's wish to call several tools, each a name with its arguments (or a text that should be JSON)."""
    made = [
        FunctionCall(id=f"call_{place}", name=name, arguments=given if isinstance(given, str) else json.dumps(given))
        for place, (name, given) in enumerate(wanted)
    ]
    usage = RequestUsage(prompt_tokens=10, completion_tokens=4)
    return CreateResult(finish_reason="function_calls", content=made, usage=usage, cached=False, thought=thought)


def thinks(thought, content):
    """A model's text with the thoughts before it."""
    usage = RequestUsage(prompt_tokens=10, completion_tokens=4)
    return CreateResult(finish_reason="stop", content=content, usage=usage, cached=False, thought=thought)


def says(content):
    """A model's text at a fixed price, whatever it was asked."""
    return thinks(None, content)


class Then:
    """An answer that comes after something was done."""

    def __init__(self, do, answer):
        self.do, self.answer = do, answer


class Model(ReplayChatCompletionClient):
    """The replay client, with the requests it got; an answer that is an exception is raised."""

    def __init__(self, *answers, **info):
        full = {
            "vision": False,
            "function_calling": True,
            "json_output": True,
            "family": ModelFamily.UNKNOWN,
            "structured_output": True,
            "multiple_system_messages": True,
        }
        self.plan = list(answers)
        self.requests = []
        spoken = [answer.answer if isinstance(answer, Then) else answer for answer in answers]
        spoken = [answer for answer in spoken if not isinstance(answer, BaseException)]
        super().__init__(spoken, model_info=ModelInfo(**{**full, **info}))

    async def _asked(self, messages, options):
        tools = [tool["name"] if isinstance(tool, dict) else tool.name for tool in options.get("tools") or ()]
        shown = [_squeezed(_fields(message)) for message in messages]
        self.requests.append({"messages": shown, "tools": tools} if tools else {"messages": shown})
        planned = self.plan[len(self.requests) - 1] if len(self.requests) <= len(self.plan) else None
        if isinstance(planned, BaseException):
            raise planned
        if isinstance(planned, Then):
            await planned.do()

    async def create(self, messages, **options):
        await self._asked(messages, options)
        return await super().create(messages, **options)

    async def create_stream(self, messages, **options):
        await self._asked(messages, options)
        async for piece in super().create_stream(messages, **options):
            yield piece


def _squeezed(message):
    # Blank lines in prompts are the package's own.
    text = message["content"]
    return {**message, "content": " ".join(text.split())} if isinstance(text, str) else message


def _fields(value):
    """Return a value as JSON, without what passes."""
    if isinstance(value, BaseModel):
        return _without(value.model_dump(mode="json"))
    if isinstance(value, BaseException):
        return {"raised": [kind.__name__ for kind in type(value).__mro__ if kind not in (object, BaseException)]}
    if hasattr(value, "__dataclass_fields__"):
        return {name: _fields(getattr(value, name)) for name in value.__dataclass_fields__}
    return _without(value)


def _without(value):
    if isinstance(value, dict):
        return {key: _without(one) for key, one in value.items() if key not in PASSING}
    if isinstance(value, (list, tuple)):
        return [_fields(one) if isinstance(one, BaseModel) else _without(one) for one in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else type(value).__name__


class Seen:
    """What one program did, as a list of JSON objects."""

    def __init__(self):
        self.lines = []
        self.models = []
        self.counts_tokens = True

    def model(self, *answers, **info):
        """Make a model whose requests are compared, too."""
        self.models.append(Model(*answers, **info))
        return self.models[-1]

    def unwatched(self, *answers, **info):
        """Make a model whose requests are not compared: they hold prompts of the package's own."""
        return Model(*answers, **info)

    def say(self, name, value):
        self.lines.append({"said": name, "value": _fields(value)})

    def item(self, item):
        kind = type(item).__name__
        if isinstance(item, TaskResult):
            messages = [self._item(one) for one in item.messages]
            line = {"messages": messages, "stopped": item.stop_reason is not None}
        elif isinstance(item, Response):
            inner = [self._item(one) for one in item.inner_messages or ()]
            line = {"message": self._item(item.chat_message), "inner": inner}
        else:
            line = self._item(item)
        self.lines.append({"class": kind, **line})
        return item

    def _item(self, item):
        fields = {"kind": type(item).__name__, **_fields(item)}
        fields["metadata"] = {key: one for key, one in fields["metadata"].items() if key not in OURS}
        if fields["kind"] == "ModelClientStreamingChunkEvent":
            fields["content"] = fields["content"].rstrip()  # AutoGen's replay client makes line breaks spaces
        if not self.counts_tokens:
            del fields["models_usage"]
        return fields

    async def stream(self, stream):
        """Write down what comes of a stream, and return the last."""
        last = None
        async for item in stream:
            last = self.item(item)
        return last

    @contextlib.asynccontextmanager
    async def error(self, name="error"):
        """Write down the error that comes of a block, if one does."""
        try:
            yield
        except (Exception, asyncio.CancelledError) as error:
            self.say(name, error)
        else:
            self.say(name, None)

    @contextlib.contextmanager
    def printed(self):
        """Write down what a block prints."""
        with contextlib.redirect_stdout(io.StringIO()) as out:
            yield
        self.say("printed", out.getvalue())

    def everything(self):
        asked = [{"model": number, **request} for number, model in enumerate(self.models) for request in model.requests]
        return self.lines + asked


async def seen_of(name, seconds=5.0):
    """Run a program and return what was seen of it; an error that it does not take itself is the last line."""
    seen = Seen()
    task = asyncio.ensure_future(PROGRAMS[name](seen))
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done:
        return [*seen.everything(), {"said": "hangs", "value": seconds}]
    if error := task.exception():
        return [*seen.everything(), {"said": "failed", "value": _fields(error)["raised"], "text": repr(error)[-400:]}]
    return json.loads(json.dumps(seen.everything()))
