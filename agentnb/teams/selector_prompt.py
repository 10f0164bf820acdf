"""What a model that chooses speakers is asked, and how its answer is read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from agentnb.core.arguments import require_text
from agentnb.exceptions import UserError
from agentnb.messages import FunctionCall, Image, LLMMessage

# What differs from choice to choice stands last: a longer history begins with the shorter one, and providers read
# a prompt cheaper as far as they have read it before.
DEFAULT_SELECTOR_PROMPT = """\
You lead a conversation in which every participant plays a role. These are the roles:

{roles}

This has been said so far:

{history}

Who should speak next, so that the conversation gets on? Choose from {participants}. Answer with that one name only.
"""


def checked_prompt(template: str) -> str:
    """Return a prompt as it is.

    Raises:
        ValueError: If it cannot be filled in.
        TypeError: If it is no text.
    """
    require_text("The selector_prompt", template)
    try:
        template.format(roles="", participants="", history="")
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise UserError(
            f"The selector_prompt cannot be filled in: {type(error).__name__}: {error}. "
            "It may hold {roles}, {participants} and {history}; write other braces twice, as {{ and }}."
        ) from error
    return template


def roles(descriptions: Mapping[str, str]) -> str:
    """Return a line for each participant: its name and what it is good for."""
    return "\n".join(" ".join(f"{name}: {text}".split()) for name, text in descriptions.items())


def history(messages: Sequence[LLMMessage]) -> str:
    """Return what was said as text; tool results and instructions are no part of it."""
    # The tags are compared, not the classes: `isinstance` of a pydantic model is ten times as slow.
    said = [
        f"{message.source}: {message.content if isinstance(message.content, str) else _text(message.content)}"
        for message in messages
        if message.type == "UserMessage" or message.type == "AssistantMessage"
    ]
    return "\n\n".join(said)


def _text(parts: Sequence[str | Image | FunctionCall]) -> str:
    return " ".join(
        part if isinstance(part, str) else "[image]" if isinstance(part, Image) else f"{part.name}({part.arguments})"
        for part in parts
    )


def names_in(answer: str, names: Sequence[str]) -> list[str]:
    """Return the names that an answer holds, in the order of their first mention.

    A name stands between characters that are no letters, digits or underscores. Its underscores may be spaces, or
    escaped as in Markdown. Where one name is part of another, the longer one was meant.
    """
    if answer.strip() in names:
        return [answer.strip()]
    pattern, by_group = _pattern(tuple(names))
    return list(dict.fromkeys(by_group[match.lastindex or 0] for match in pattern.finditer(answer)))


@lru_cache(maxsize=64)
def _pattern(names: tuple[str, ...]) -> tuple[re.Pattern[str], dict[int, str]]:
    ordered = sorted(names, key=len, reverse=True)
    underscore = r"(?:\\?_| )"
    spelled = [underscore.join(re.escape(part) for part in name.split("_")) for name in ordered]
    pattern = "|".join(f"({name})" for name in spelled)
    return re.compile(rf"(?<!\w)(?:{pattern})(?!\w)"), dict(enumerate(ordered, start=1))


def objection(found: Sequence[str], candidates: Sequence[str], previous: str | None) -> str | None:
    """Say what is wrong with an answer.

    Args:
        found: The names it holds.
        candidates: Those it may hold.
        previous: Who spoke last.

    Returns:
        A text for the model; None if the answer is right.
    """
    match found:
        case []:
            wrong = "Your answer names none of the participants."
        case [name] if name in candidates:
            return None
        case [name] if name == previous:
            wrong = f"{name} has just spoken and may not speak twice in a row."
        case [name]:
            wrong = f"{name} may not speak now."
        case _:
            wrong = f"Your answer names {' and '.join(found)}; only one may speak."
    return f"{wrong} Answer with one name from {list(candidates)} and nothing else."
