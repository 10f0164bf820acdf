"""The lines of frequent facts: what their models' serializer gives, put together by hand at half its price."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
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
        Unusual: If it is not of the usual form, as are the facts of kinds that are seldom written. What a value of a
            wrong type raises comes through as it is.
    """
    _, at, took, source, usage, values = light
    write = _BODIES.get(values[0])
    if write is None or type(at) is not int:
        raise Unusual
    body = write(values, seq, keep)
    if took is None and usage is None and caused:
        return b'{"seq":%d,"parent":%d,"at":%b,"source":%b,"body":{"kind":%b}}\n' % (
            seq,
            caused,
            iso(at),
            _name(source),
            body,
        )
    return b'{"seq":%d,%b"at":%b,%b"source":%b,%b"body":{"kind":%b}}\n' % (
        seq,
        b'"parent":%d,' % caused if caused else b"",
        iso(at),
        b'"took":%b,' % to_json(took) if took is not None and math.isfinite(took) else b"",
        _name(source),
        b'"usage":%b,' % _spent(usage) if usage is not None else b"",
        body,
    )


_name = lru_cache(maxsize=1024, typed=True)(to_json)
"""Writes a text that is likely to come again, or a tuple of such."""


def _spent(usage: Usage | tuple[Any, ...]) -> bytes:
    if type(usage) is not tuple:
        raise Unusual
    prompt, completion, cost = usage
    priced = b',"cost_usd":%b' % to_json(cost) if cost is not None else b""
    return b'{"prompt_tokens":%d,"completion_tokens":%d%b}' % (prompt, completion, priced)


def _speaker(values: Values, seq: int, keep: Keep) -> bytes:
    _, names, why, rule, candidates, answer, attempts, asked = values
    if why is not None or candidates is not None or answer is not None or attempts is not None or asked is not None:
        raise Unusual
    return b'"speaker","names":%b%b' % (_name(names), b"" if rule is None else b',"rule":%b' % _name(rule))


def _turn_started(values: Values, seq: int, keep: Keep) -> bytes:
    _, agent, turn, again = values
    if again is not None:
        raise Unusual
    return b'"turn.started","agent":%b,"turn":%d' % (_name(agent), turn)


def _turn_finished(values: Values, seq: int, keep: Keep) -> bytes:
    _, agent, turn, outcome, kept, added = values
    if (kept is None) is not (added is None):
        raise Unusual
    if kept is None:
        return b'"turn.finished","agent":%b,"turn":%d,"outcome":%b' % (_name(agent), turn, _name(outcome))
    line = b'"turn.finished","agent":%b,"turn":%d,"outcome":%b,"keep":%d,"added":%b'
    return line % (_name(agent), turn, _name(outcome), kept, to_json(added))


def _said(values: Values, seq: int, keep: Keep) -> bytes:
    _, message, left_out, heard = values
    cls = type(message)
    fields = message.__dict__
    # Who knows what an object of the user's holds: it might be taken for a reference.
    if left_out is not None or heard is not None or fields["metadata"]:
        raise Unusual
    content = fields["content"]
    if cls is TextMessage:
        said = to_json(content if len(content) < LEAST else keep(content, seq, ("message", "content")))
    elif cls is ToolCallRequestEvent:
        said = _calls(content, seq, keep, "message")
    elif cls is ToolCallExecutionEvent:
        said = _results(content, seq, keep)
    else:
        raise Unusual
    usage = fields["models_usage"]
    return (b'"message","message":{"id":%b,"source":%b%b,"metadata":{},"created_at":%b,"content":%b,"type":%b}') % (
        to_json(fields["id"]),
        _name(fields["source"]),
        b"" if usage is None else b',"models_usage":%b' % _usage(usage),
        to_json(fields["created_at"]),
        said,
        _name(fields["type"]),
    )


def _calls(calls: list[Any], seq: int, keep: Keep, where: str) -> bytes:
    written = []
    for place, call in enumerate(calls):
        if type(call) is not FunctionCall:
            raise Unusual
        given = call.arguments
        if len(given) >= LEAST:
            given = keep(given, seq, (where, "content", place, "arguments"))
        written.append(b'{"id":%b,"arguments":%b,"name":%b}' % (to_json(call.id), to_json(given), _name(call.name)))
    return b"[%b]" % b",".join(written)


def _results(results: list[Any], seq: int, keep: Keep) -> bytes:
    written = []
    for place, result in enumerate(results):
        fields = result.__dict__
        text, is_error = fields["content"], fields["is_error"]
        if len(text) >= LEAST:
            text = keep(text, seq, ("message", "content", place, "content"))
        failed = b"" if is_error is None else b',"is_error":%b' % to_json(is_error)
        line = b'{"content":%b,"name":%b,"call_id":%b%b}'
        written.append(line % (to_json(text), _name(fields["name"]), to_json(fields["call_id"]), failed))
    return b"[%b]" % b",".join(written)


def _usage(usage: Any) -> bytes:
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    if not type(prompt) is type(completion) is int:
        raise Unusual
    return b'{"prompt_tokens":%d,"completion_tokens":%d}' % (prompt, completion)


def _context(values: Values, seq: int, keep: Keep) -> bytes:
    _, role, said, message, after, kept = values
    if message is not None or after is not None or kept is not None:
        raise Unusual
    return b'"context","role":%b,"said":%d' % (_name(role), said)


def _model_started(values: Values, seq: int, keep: Keep) -> bytes:
    _, model, base, kept, added, tools, choice, output, options, streaming = values
    if options:
        raise Unusual
    return (
        b'"model.started","model":%b,%b"keep":%d,"added":%b,"tools":%b,"tool_choice":%b,"output":%b,"options":{},'
        b'"streaming":%b'
    ) % (
        _name(model),
        b"" if base is None else b'"base":%d,' % base,
        kept,
        to_json(added),
        _name(tools),
        _name(choice),
        _name(output),
        b"true" if streaming else b"false",
    )


def _model_finished(values: Values, seq: int, keep: Keep) -> bytes:
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
        said = to_json(content if len(content) < LEAST else keep(content, seq, ("result", "content")))
    return (
        b'"model.finished","model":%b,"result":{"finish_reason":%b,"content":%b,"usage":%b,"cached":%b},"partial":""%b%b'
    ) % (
        _name(model),
        _name(fields["finish_reason"]),
        said,
        _usage(fields["usage"]),
        _name(fields["cached"]),
        b"" if returned is None else b',"returned_model":%b' % _name(returned),
        b"" if fingerprint is None else b',"fingerprint":%b' % _name(fingerprint),
    )


def _tool_started(values: Values, seq: int, keep: Keep) -> bytes:
    _, tool, call_id, arguments = values
    given = to_json(arguments, exclude_none=True) if arguments else b"{}"
    if call_id is None or references.MARK in given or references.may_refer(given):
        raise Unusual
    return b'"tool.started","tool":%b,"call_id":%b,"arguments":%b' % (_name(tool), to_json(call_id), given)


def _tool_finished(values: Values, seq: int, keep: Keep) -> bytes:
    _, tool, call_id, result, is_error, parts = values
    if parts is not None or call_id is None:
        raise Unusual
    given = to_json(result if len(result) < LEAST else keep(result, seq, ("result",)))
    line = b'"tool.finished","tool":%b,"call_id":%b,"result":%b,"is_error":%b'
    return line % (_name(tool), to_json(call_id), given, _name(is_error))


_BODIES: dict[str, Callable[[Values, int, Keep], bytes]] = {
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
