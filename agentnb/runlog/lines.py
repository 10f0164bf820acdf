"""The lines of frequent facts: what their models' serializer gives, put together by hand at half its price."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from pydantic_core import to_json

from agentnb.core.clock import iso
from agentnb.messages import CreateResult, FunctionCall, TextMessage, ToolCallExecutionEvent, ToolCallRequestEvent
from agentnb.runlog import references
from agentnb.runlog.events import Usage
from agentnb.runlog.light import Light, Values
from agentnb.runlog.references import LEAST

Keep = Callable[[str, int, tuple[str | int, ...]], Any]
"""Gives what stands for a long text of the fact with a number, at a path in its body: the text, or a reference."""


class Unusual(Exception):
    """A fact is not of the usual form: its model's serializer has to look at it."""


def line_of(seq: int, caused: int, light: Light, keep: Keep) -> bytes:
    """Return the line of a fact, with its end.

    Args:
        seq: Its number.
        caused: That of its parent; 0 for none.
        light: The fact.
        keep: Is asked for every text that may be long.

    Raises:
        Unusual: If it is not of the usual form. What a value of a wrong type raises comes through as it is, and a
            `KeyError` for kinds that are seldom written.
    """
    at: Any  # that of a fixed clock is no number, as `iso` finds out
    _, at, took, source, usage, values = light
    body = _BODIES[values[0]](values, seq, keep)
    if took is None and usage is None and caused:
        return (
            f'{{"seq":{seq},"parent":{caused},"at":"{iso(at)}","source":{_names[source]},"body":{{"kind":{body}}}}}\n'
        ).encode()
    parent = f'"parent":{caused},' if caused else ""
    lasted = f'"took":{to_json(took).decode()},' if took is not None and math.isfinite(took) else ""
    spent = "" if usage is None else f'"usage":{_spent(usage)},'
    return (
        f'{{"seq":{seq},{parent}"at":"{iso(at)}",{lasted}"source":{_names[source]},{spent}"body":{{"kind":{body}}}}}\n'
    ).encode()


class _Names(dict[Any, str]):
    """Texts that are likely to come again, and tuples of such, each with its JSON."""

    def __missing__(self, name: Any) -> str:
        if type(name) is not str and type(name) is not tuple:
            raise Unusual
        if len(self) >= 1024:
            self.clear()
        written = self[name] = to_json(name).decode()
        return written


_names = _Names()


def _spent(usage: Usage | tuple[Any, ...]) -> str:
    if type(usage) is not tuple:
        raise Unusual
    prompt, completion, cost = usage
    priced = "" if cost is None else f',"cost_usd":{to_json(cost).decode()}'
    return f'{{"prompt_tokens":{prompt},"completion_tokens":{completion}{priced}}}'


def _speaker(values: Values, seq: int, keep: Keep) -> str:
    _, names, why, rule, candidates, answer, attempts, asked = values
    if why is not None or candidates is not None or answer is not None or attempts is not None or asked is not None:
        raise Unusual
    return f'"speaker","names":{_names[names]}' + ("" if rule is None else f',"rule":{_names[rule]}')


def _turn_started(values: Values, seq: int, keep: Keep) -> str:
    _, agent, turn, again = values
    if again is not None:
        raise Unusual
    return f'"turn.started","agent":{_names[agent]},"turn":{turn}'


def _turn_finished(values: Values, seq: int, keep: Keep) -> str:
    _, agent, turn, outcome, kept, added = values
    if (kept is None) is not (added is None):
        raise Unusual
    grown = "" if kept is None else f',"keep":{kept},"added":{to_json(added).decode()}'
    return f'"turn.finished","agent":{_names[agent]},"turn":{turn},"outcome":{_names[outcome]}{grown}'


def _said(values: Values, seq: int, keep: Keep) -> str:
    _, message, left_out, heard = values
    cls = type(message)
    fields = message.__dict__
    # Who knows what an object of the user's holds: it might be taken for a reference.
    if left_out is not None or heard is not None or fields["metadata"]:
        raise Unusual
    content = fields["content"]
    if cls is TextMessage:
        said = to_json(content if len(content) < LEAST else keep(content, seq, ("message", "content"))).decode()
    elif cls is ToolCallRequestEvent:
        said = _calls(content, seq, keep, "message")
    elif cls is ToolCallExecutionEvent:
        said = _results(content, seq, keep)
    else:
        raise Unusual
    usage = fields["models_usage"]
    used = "" if usage is None else f',"models_usage":{_tokens(usage)}'
    return (
        f'"message","message":{{"id":{to_json(fields["id"]).decode()},"source":{_names[fields["source"]]}'
        f'{used},"metadata":{{}},"created_at":{to_json(fields["created_at"]).decode()},'
        f'"content":{said},"type":{_names[fields["type"]]}}}'
    )


def _calls(calls: list[Any], seq: int, keep: Keep, where: str) -> str:
    written = []
    for place, call in enumerate(calls):
        if type(call) is not FunctionCall:
            raise Unusual
        given = call.arguments
        if len(given) >= LEAST:
            given = keep(given, seq, (where, "content", place, "arguments"))
        written.append(
            f'{{"id":{to_json(call.id).decode()},"arguments":{to_json(given).decode()},"name":{_names[call.name]}}}'
        )
    return f"[{','.join(written)}]"


def _results(results: list[Any], seq: int, keep: Keep) -> str:
    written = []
    for place, result in enumerate(results):
        fields = result.__dict__
        text, is_error = fields["content"], fields["is_error"]
        if len(text) >= LEAST:
            text = keep(text, seq, ("message", "content", place, "content"))
        failed = "" if is_error is None else f',"is_error":{to_json(is_error).decode()}'
        name, call = _names[fields["name"]], to_json(fields["call_id"]).decode()
        written.append(f'{{"content":{to_json(text).decode()},"name":{name},"call_id":{call}{failed}}}')
    return f"[{','.join(written)}]"


def _tokens(usage: Any) -> str:
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    if not type(prompt) is type(completion) is int:
        raise Unusual
    return f'{{"prompt_tokens":{prompt},"completion_tokens":{completion}}}'


def _context(values: Values, seq: int, keep: Keep) -> str:
    _, role, said, message, after, kept = values
    if message is not None or after is not None or kept is not None:
        raise Unusual
    return f'"context","role":{_names[role]},"said":{said}'


def _model_started(values: Values, seq: int, keep: Keep) -> str:
    _, model, base, kept, added, tools, choice, output, options, streaming = values
    if options:
        raise Unusual
    since = "" if base is None else f'"base":{base},'
    return (
        f'"model.started","model":{_names[model]},{since}"keep":{kept},'
        f'"added":{to_json(added).decode()},"tools":{_names[tools]},"tool_choice":{_names[choice]},"output":{_names[output]},'
        f'"options":{{}},"streaming":{"true" if streaming else "false"}'
    )


def _model_finished(values: Values, seq: int, keep: Keep) -> str:
    _, model, result, error, partial, returned, fingerprint = values
    if type(result) is not CreateResult or error is not None or partial:
        raise Unusual
    fields = result.__dict__
    if fields["logprobs"] is not None or fields["thought"] is not None:
        raise Unusual
    content = fields["content"]
    if type(content) is list:
        said = _calls(content, seq, keep, "result")
    else:
        said = to_json(content if len(content) < LEAST else keep(content, seq, ("result", "content"))).decode()
    line = (
        f'"model.finished","model":{_names[model]},"result":{{"finish_reason":{_names[fields["finish_reason"]]},'
        f'"content":{said},"usage":{_tokens(fields["usage"])},"cached":{to_json(fields["cached"]).decode()}}},"partial":""'
    )
    if returned is None and fingerprint is None:
        return line
    served = "" if returned is None else f',"returned_model":{_names[returned]}'
    return line + served + ("" if fingerprint is None else f',"fingerprint":{_names[fingerprint]}')


def _tool_started(values: Values, seq: int, keep: Keep) -> str:
    _, tool, call_id, arguments = values
    given = to_json(arguments, exclude_none=True) if arguments else b"{}"
    if call_id is None or references.MARK in given or references.may_refer(given):
        raise Unusual
    return f'"tool.started","tool":{_names[tool]},"call_id":{to_json(call_id).decode()},"arguments":{given.decode()}'


def _tool_finished(values: Values, seq: int, keep: Keep) -> str:
    _, tool, call_id, result, is_error, parts = values
    if parts is not None or call_id is None:
        raise Unusual
    given = to_json(result if len(result) < LEAST else keep(result, seq, ("result",))).decode()
    call, failed = to_json(call_id).decode(), to_json(is_error).decode()
    return f'"tool.finished","tool":{_names[tool]},"call_id":{call},"result":{given},"is_error":{failed}'


_BODIES: dict[str, Callable[[Values, int, Keep], str]] = {
    "speaker": _speaker,
    "turn.started": _turn_started,
    "turn.finished": _turn_finished,
    "message": _said,
    "context": _context,
    "model.started": _model_started,
    "model.finished": _model_finished,
    "tool.started": _tool_started,
    "tool.finished": _tool_finished,
}
