"""The progress ledger of Magentic-One: what it holds, and how it is read from what a model wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ValidationError, create_model, model_validator

from agentnb.core.json_text import extract_json_from_str

__all__ = ["Judgement", "ProgressLedger", "Reading", "Wish", "can_repair", "ledger_format", "read_ledger"]

_DECODER = json.JSONDecoder()


class _Entry(BaseModel):
    reason: str

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, data: Any) -> Any:
        # Small models leave the reason out, or give the bare answer: nothing is lost by taking it.
        return {"reason": "", **data} if isinstance(data, Mapping) else {"reason": "", "answer": data}


class Judgement(_Entry, frozen=True):
    """Yes or no, and why."""

    answer: bool


class Wish(_Entry, frozen=True):
    """A text, and why."""

    answer: str


class ProgressLedger(BaseModel, frozen=True):
    """What the orchestrator thinks of the work before each round; the keys are AutoGen's."""

    is_request_satisfied: Judgement
    is_in_loop: Judgement
    is_progress_being_made: Judgement
    next_speaker: Wish
    instruction_or_question: Wish

    @property
    def stuck(self) -> bool:
        """Whether this round counts as a stall."""
        return self.is_in_loop.answer or not self.is_progress_being_made.answer


class Reading(NamedTuple):
    """What became of a model's reply: a ledger, or what is wrong with it."""

    ledger: ProgressLedger | None
    problem: str = ""
    """A sentence or two for the model; empty if there is a ledger."""
    repaired: bool = False
    """Whether the JSON was broken and had to be mended."""


@lru_cache(maxsize=64)
def ledger_format(names: tuple[str, ...]) -> type[ProgressLedger]:
    """Return the ledger as a model with structured output is to write it: the next speaker is one of `names`."""
    if len(names) == 1:
        return ProgressLedger
    answer: Any = Literal[names]
    speaker = create_model("NextSpeaker", __base__=Wish, answer=(answer, ...))
    ledger: type[ProgressLedger] = create_model("ProgressLedger", __base__=ProgressLedger, next_speaker=(speaker, ...))
    return ledger


def read_ledger(reply: str, names: Sequence[str], *, complete: bool = True) -> Reading:
    """Read a ledger from a model's reply: plain, in a fence, among other words, or mended with `json-repair`.

    Args:
        reply: What the model wrote.
        names: Who may speak next. The only one of a team is the next speaker whatever the model wrote.
        complete: Whether the reply ended by itself; one that was cut off is not mended.
    """
    whole, problem = _whole(reply)
    for found in reversed([*whole, *_among_words(reply)]):
        try:
            return _of_team(ProgressLedger.model_validate(found), names, repaired=False)
        except ValidationError:
            continue
    if not whole and complete and can_repair():
        whole = _mended(reply)
    if not whole:
        return Reading(None, problem if complete else f"It was cut off. {problem} Be brief.")
    try:
        return _of_team(ProgressLedger.model_validate(whole[-1]), names, repaired=True)
    except ValidationError as error:
        return Reading(None, _problems(error))


def can_repair() -> bool:
    """Tell whether `json-repair` is installed."""
    try:
        import json_repair  # noqa: F401
    except ImportError:
        return False
    return True


def _whole(reply: str) -> tuple[list[dict[str, Any]], str]:
    try:
        return extract_json_from_str(reply), ""
    except json.JSONDecodeError as error:
        return [], f"It is not valid JSON ({error})."
    except (ValueError, RecursionError) as error:
        return [], str(error)


def _among_words(reply: str) -> Iterator[dict[str, Any]]:
    position = reply.find("{")
    while position >= 0:
        try:
            found, end = _DECODER.raw_decode(reply, position)
            yield found
        except (ValueError, RecursionError):
            end = position + 1
        position = reply.find("{", end)


def _mended(reply: str) -> list[dict[str, Any]]:
    import json_repair

    known = [place for key in ProgressLedger.model_fields if (place := reply.find(key)) >= 0]
    # Words before the object, such as a model's thoughts, may hold braces of their own.
    begin = max(reply.rfind("{", 0, min(known)), 0) if known else 0
    try:
        found = json_repair.loads(reply[begin:])
    except (ValueError, RecursionError):
        return []
    return [each for each in (found if isinstance(found, list) else [found]) if isinstance(each, dict)]


def _of_team(ledger: ProgressLedger, names: Sequence[str], *, repaired: bool) -> Reading:
    wish = ledger.next_speaker
    alike = [name for name in names if name.casefold() == wish.answer.strip().casefold()]
    if len(names) == 1:
        name = names[0]
    elif wish.answer in names:
        name = wish.answer
    elif len(alike) == 1:
        name = alike[0]
    elif ledger.is_request_satisfied.answer:
        name = wish.answer  # nobody speaks any more
    else:
        return Reading(None, f"next_speaker.answer is {wish.answer!r}, and nobody of that name is in the team.")
    chosen = ledger.model_copy(update={"next_speaker": Wish(reason=wish.reason, answer=name)})
    return Reading(chosen, repaired=repaired)


def _problems(error: ValidationError) -> str:
    missing, wrong = [], []
    for detail in error.errors():
        key = ".".join(map(str, detail["loc"]))
        if detail["type"] == "missing":
            missing.append(key)
        else:
            wrong.append(f"{key} is {detail['input']!r:.80} ({detail['msg']}).")
    lacks = [f"It lacks {', '.join(missing)}."] if missing else []
    return " ".join([*lacks, *wrong])
