"""Names taken out of a run: each is replaced by another, everywhere in the same way.

Replaced are whole words, in any case, in who said something, in what was said, asked and answered, and in what code
and tools gave; code is left alone, because it would no longer run, and a warning says where it names somebody. E-mail
addresses and the user's name in paths of home folders go as well. Limits: pictures, names that stand in other forms
(nicknames, translations, spelling errors), what identifies without a name, and the log itself, which is not changed.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable

from agentnb.exceptions import UserError
from agentnb.runlog import Event
from agentnb.transcripts.export.base import Names, Place, exported, is_free, plainly, readable_data, rewritten

EMAIL = "[e-mail removed]"

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_HOME = re.compile(r"(/home/|/Users/|\b[A-Za-z]:[\\/]{1,4}Users[\\/]{1,4})([^/\\\s:;,\"'<>|()]+)")
_FENCED = re.compile(r"(?ms)(^[ \t>]*(`{3,}|~{3,}).*?^[ \t>]*\2[`~]*[ \t]*$)")
_TAG = re.compile(r"(<[^<>]*>)")
_ATTRIBUTE = re.compile(r"""(=\s*)("[^"]*"|'[^']*')""")
_ANYBODY = {"", "user", "notebook", "system", "person"}
# Tags and ids, which readers compare: a word of them is no name.
_FIXED = {
    "kind", "type", "id", "input_id", "call_id", "continues", "origin", "runner_type", "role", "outcome", "state",
    "mime_type", "created_at", "executor", "language", "format", "model", "models_usage", "rule", "action", "stream",
    "code_output",
}  # fmt: skip
_MARKUP = ("text/html", "image/svg+xml")


def people(events: Iterable[Event]) -> list[str]:
    """Return the names of those who took part, in the order of their appearance."""
    names: dict[str, None] = {}
    for event in events:
        body: object = event.body
        match event.kind:
            case "run.started":
                names |= dict.fromkeys(one.name for one in body.participants)  # type: ignore[attr-defined]
            case "turn.started":
                names[body.agent] = None  # type: ignore[attr-defined]
            case "speaker":
                names |= dict.fromkeys(body.names)  # type: ignore[attr-defined]
            case "message":
                names[getattr(body.message, "source", "")] = None  # type: ignore[attr-defined]
    return [name for name in names if name.lower() not in _ANYBODY]


def teams(events: Iterable[Event]) -> list[str]:
    """Return the names of the teams that ran."""
    found = {event.body.runner: None for event in events if event.kind == "run.started"}  # type: ignore[attr-defined]
    return [name for name in found if name]


def rename(events: Iterable[Event], names: Names) -> list[Event]:
    """Return facts in which names are replaced.

    Args:
        events: A log, or its facts.
        names: What stands for each name; "remove" makes everybody who took part "Speaker 1", "Speaker 2", … and
            teams "Team 1", … in the order of their appearance.

    Raises:
        UserError: If `names` is neither, or holds a name that is empty or no text.

    Warns:
        UserWarning: If code names somebody, or a given name occurs nowhere.
    """
    facts = exported(events)
    present = people(facts)
    aliases = _checked(names, present, teams(facts))
    renaming = _Renaming(aliases)
    changed = [Event.model_validate(rewritten(readable_data(event), renaming.of(event))) for event in facts]
    renaming.warn(present, given=names != "remove")
    return changed


def _checked(names: Names, present: list[str], runners: list[str]) -> dict[str, str]:
    if names == "remove":
        aliases = {name: f"Speaker {number}" for number, name in enumerate(present, start=1)}
        others = [runner for runner in runners if runner not in aliases]
        return aliases | {name: f"Team {number}" for number, name in enumerate(others, start=1)}
    if isinstance(names, str) or not hasattr(names, "items"):
        raise UserError(f'names={names!r}: give a mapping such as {{"ana": "Speaker 1"}}, or "remove".')
    for name, alias in names.items():
        if not isinstance(name, str) or not isinstance(alias, str) or not name.strip() or not alias.strip():
            raise UserError(f"names={{{name!r}: {alias!r}}}: a name and what stands for it are texts, not empty.")
    return dict(names)


class _Renaming:
    """Replaces names, and takes note of those it left in code."""

    def __init__(self, aliases: dict[str, str]) -> None:
        self._aliases = {" ".join(name.lower().split()): alias for name, alias in aliases.items()}
        self._given = list(aliases)
        self._found: set[str] = set()
        self._in_code: dict[str, list[int]] = {}
        longest = sorted(self._aliases, key=len, reverse=True)
        words = "|".join(r"[\s_]+".join(map(re.escape, name.split())) for name in longest)
        # An underscore ends a name as well: `transfer_to_ana` tells it.
        self._pattern = re.compile(rf"(?<![^\W_])(?:{words})(?![^\W_])", re.IGNORECASE) if words else None

    def of(self, event: Event) -> Callable[[Place, str], str]:
        def change(place: Place, text: str) -> str:
            if place[-1] in _FIXED and not is_free(place):
                return text
            if "blocks" in place:
                self._look(text, event.seq)
                return text
            if any(part in _MARKUP for part in place):
                return "".join(
                    self._tag(piece) if piece.startswith("<") else self._words(piece) for piece in _TAG.split(text)
                )
            if place[-2:] == ("message", "content"):
                return self._prose(text, event.seq)
            return plainly(text, self._words)

        return change

    def _prose(self, text: str, seq: int) -> str:
        pieces = []
        end = 0
        for match in _FENCED.finditer(text):
            self._look(match[0], seq)
            pieces += [plainly(text[end : match.start()], self._words), match[0]]
            end = match.end()
        return "".join([*pieces, plainly(text[end:], self._words)])

    def _tag(self, tag: str) -> str:
        return _ATTRIBUTE.sub(lambda match: match[1] + self._words(match[2]), tag)

    def _words(self, text: str) -> str:
        if self._pattern is not None:
            text = self._pattern.sub(self._alias, text)
        return _HOME.sub(r"\1user", _EMAIL.sub(EMAIL, text))

    def _key(self, match: re.Match[str]) -> str:
        low = match[0].lower()
        return low if low in self._aliases else " ".join(low.replace("_", " ").split())

    def _alias(self, match: re.Match[str]) -> str:
        key = self._key(match)
        self._found.add(key)
        return self._aliases.get(key, "•")

    def _look(self, code: str, seq: int) -> None:
        found = [self._key(match) for match in self._pattern.finditer(code)] if self._pattern else []
        self._found.update(found)
        found += [match[0] for match in _EMAIL.finditer(code)] + [match[2] for match in _HOME.finditer(code)]
        for name in found:
            seqs = self._in_code.setdefault(name, [])
            if seq not in seqs:
                seqs.append(seq)

    def warn(self, present: list[str], *, given: bool) -> None:
        if self._in_code:
            listed = "; ".join(
                f"{name!r} in {'fact' if len(seqs) == 1 else 'facts'} {', '.join(map(str, seqs))}"
                for name, seqs in self._in_code.items()
            )
            warnings.warn(f"Code is exported as it ran and still names somebody: {listed}.", UserWarning, stacklevel=5)
        missing = [name for name in self._given if " ".join(name.lower().split()) not in self._found]
        if given and missing:
            warnings.warn(
                f"Nobody and nothing here is called {', '.join(map(repr, missing))}; those who took part are "
                f"{', '.join(present) or 'nobody'}.",
                UserWarning,
                stacklevel=5,
            )
