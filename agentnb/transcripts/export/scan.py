"""Secrets in what is about to be shown to others: found by their shape, their name, or because they are set here.

Recognised are keys whose issuers gave them a shape of their own (a prefix, as GitHub recommends since 2021), signed
tokens, private key blocks, what is assigned to a name such as `password`, credentials in addresses, and the values of
this process's environment variables whose names say that they are secret. Not recognised: passwords in prose, keys
without a shape (they look like any hash), what a figure shows, and a secret broken over several texts.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple
from urllib.parse import quote

from agentnb.exceptions import UserError
from agentnb.runlog import Event, log_of
from agentnb.runlog.given import Given
from agentnb.transcripts.export.base import Place, exported, plainly, readable_data, rewritten, texts

MASKED = "••••"
"""What stands where a secret stood."""


class Finding(NamedTuple):
    """A secret in a fact."""

    seq: int
    kind: str
    """The kind of the fact, as in `code.finished`."""
    source: str
    place: str
    """Where in the fact, as in `outputs.0.text/html`."""
    sort: str
    """What it seems to be, as in "OpenAI key"."""
    tail: str
    """Its last four characters; empty where those would tell too much of it."""

    def __str__(self) -> str:
        ending = f" ending in …{self.tail}" if self.tail else ""
        who = f" of {self.source}" if self.source else ""
        return f"fact {self.seq} ({self.kind}{who}, {self.place}): {self.sort}{ending}"


class _Rule(NamedTuple):
    sort: str
    hints: tuple[str, ...]
    """One of these occurs wherever the pattern matches; looking for them first makes long texts cheap."""
    pattern: re.Pattern[str]


def _rule(sort: str, hints: str, pattern: str) -> _Rule:
    return _Rule(sort, tuple(hints.split()), re.compile(rf"(?<![A-Za-z0-9_])(?:{pattern})"))


_RULES = (
    _Rule(
        "private key",
        ("PRIVATE KEY",),
        re.compile(r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]+-----|\Z)", re.DOTALL),
    ),
    _rule("Anthropic key", "sk-ant-", r"sk-ant-[A-Za-z0-9_-]{20,}"),
    _rule("OpenAI key", "sk-", r"sk-(?=(?:[A-Za-z_-]*\d){3})[A-Za-z0-9_-]{20,}"),
    _rule("AWS key", "AKIA ASIA ABIA ACCA", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Za-z0-9])"),
    _rule("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", r"gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{50,}"),
    _rule("GitLab token", "glpat-", r"glpat-[A-Za-z0-9_-]{20,}"),
    _rule("Google key", "AIza ya29. GOCSPX-", r"AIza[\w-]{35}|ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,}"),
    _rule("Slack token", "xox xapp-", r"xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-\d-[A-Za-z0-9-]{10,}"),
    _rule("Slack webhook", "hooks.slack.com", r"https://hooks\.slack\.com/(?:services|workflows)/[\w/]{20,}"),
    _rule("Hugging Face token", "hf_", r"hf_[A-Za-z0-9]{30,}"),
    _rule("Groq key", "gsk_", r"gsk_[A-Za-z0-9]{40,}"),
    _rule("xAI key", "xai-", r"xai-[A-Za-z0-9]{40,}"),
    _rule("Perplexity key", "pplx-", r"pplx-[A-Za-z0-9]{40,}"),
    _rule("Replicate token", "r8_", r"r8_[A-Za-z0-9]{37}"),
    _rule("Tavily key", "tvly-", r"tvly-[A-Za-z0-9-]{20,}"),
    _rule("LangSmith key", "lsv2_", r"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}"),
    _rule("PyPI token", "pypi-", r"pypi-AgE[A-Za-z0-9_-]{50,}"),
    _rule("npm token", "npm_", r"npm_[A-Za-z0-9]{36}"),
    _rule("Stripe key", "k_live_ k_test_", r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    _rule("SendGrid key", "SG.", r"SG\.[\w-]{16,}\.[\w-]{16,}"),
    _rule("signed token (JWT)", "eyJ", r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),
    _rule("authorization", "earer asic", r"(?:[Bb]earer|[Bb]asic)\s+(?P<secret>(?=\S*\d)[A-Za-z0-9._~+/-]{20,}=*)"),
    _rule(
        "password in an address",
        "://",
        r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@'\"]{0,100}:(?P<secret>[^\s/@'\"]{3,100})@",
    ),
)

_NAMED = re.compile(
    r"""(?ix)
    (?P<name> password | passwd | passphrase | api[_-]?key | (?:access|account|private|secret)[_-]?key
      | (?<![a-z]) (?: pwd | secret | token | credential ) )
    (?: s | [_-][a-z0-9_-]{1,20} | \d{1,3} )?
    \\? ["'\]]{0,2} \s{0,3} (?: := | => | =(?!=) | : ) \s{0,3}
    (?: \\? (?P<mark>["']) (?P<quoted> [^"'\\\n]{6,200} ) \\? (?P=mark)
      | (?P<bare> (?: [^\s"'`,;&<>()\[\]{}$|\\] | &(?!\w{1,30}[=;]) ){6,200}+ ) (?![(\[]) )
    """
)
_NAMES = ("pass", "pwd", "secret", "token", "key", "credential")
_PLACEHOLDER = re.compile(
    r"""(?ix) [x*•.\-_]+ | (?: your | my ) [-_ ] .* | .* (?: example | placeholder | redacted | changeme | dummy ) .*
    | .* (?: \.\.\. | … ) | (?: str | string | text | hidden | none | null | true | false | required | optional
    | password | secret | token | bearer | basic | test | unknown | prompt | default | environ ) s?"""
)
_REFERENCE = re.compile(r"(?:[A-Za-z_]\w*\.)+[A-Za-z_]\w*|[a-z]+\d{0,2}(?:_[a-z]+\d{0,2})+|[a-z]+://\S*")
_SAYS_SO = re.compile(
    r"""(?x)
    access | account | admin | and | any | are | authentication | auth | based | been | before | below | can | case
    | change | changed | characters | check | config | data | default | empty | encoded | encrypted | entry | enter
    | env | field | file | for | from | given | handling | hash | hashed | here | input | key | least | length |
    less | like | login | long | manager | minimum | mode | must | name | new | not | null | old | one | only |
    option | optional | page | pass | password | passwords | phrase | policy | prompt | protected | provided | raw |
    read | required | reset | rule | secret | see | sensitive | set | should | stored | string | strong | supplied |
    test | text | that | the | this | time | token | two | type | unset | use | used | user | username | users |
    valid | value | variable | vault | via | was | weak | with | word | you | your
    """
)
"""Words that tell of a password rather than being one."""
_SECRET_WORDS = {"KEY", "APIKEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASS", "PWD", "PAT", "CREDENTIAL", "AUTH"}
_SECRET_WORDS |= {f"{word}S" for word in _SECRET_WORDS}


class SecretScanner:
    """Finds secrets in texts.

    Attributes:
        environment: Variables whose values are looked for where their names say that they are secret.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self.environment = os.environ if environment is None else environment

    @cached_property
    def _set_here(self) -> dict[str, str]:
        values: dict[str, str] = {}
        for name, value in self.environment.items():
            words = set(name.upper().split("_"))
            secret = bool(words & _SECRET_WORDS) and name not in ("PWD", "OLDPWD")
            if secret and len(value) >= 8 and not value.startswith(("/", "~")) and not value.isalpha():
                # As it is, in an address, and in a page.
                values |= dict.fromkeys((value, quote(value, safe=""), html.escape(value)), name)
        return values

    def spans(self, text: str) -> list[tuple[int, int, str]]:
        """Return the secrets of a text: first character, the one after the last, and what it seems to be."""
        found: list[tuple[int, int, str]] = []
        for start, end, sort in self._all(text):
            if not any(start < other_end and other_start < end for other_start, other_end, _ in found):
                found.append((start, end, sort))
        return sorted(found)

    def _all(self, text: str) -> Iterator[tuple[int, int, str]]:
        for value, name in self._set_here.items():
            begin = text.find(value)
            while begin >= 0:
                yield begin, begin + len(value), f"the value of {name}"
                begin = text.find(value, begin + len(value))
        for rule in _RULES:
            if any(hint in text for hint in rule.hints):
                for match in rule.pattern.finditer(text):
                    group = "secret" if "secret" in rule.pattern.groupindex else 0
                    # EXAMPLE ends the keys of AWS's own documentation.
                    if not match[group].endswith("EXAMPLE") and not (group and _stands_for_one(match[group])):
                        yield *match.span(group), rule.sort
        low = text.lower()
        if any(name in low for name in _NAMES):
            for match in _NAMED.finditer(text):
                group = "quoted" if match["quoted"] is not None else "bare"
                if _is_secret(match["name"], match[group], quoted=group == "quoted"):
                    yield *match.span(group), match["name"].lower()

    def masked(self, text: str) -> str:
        """Return a text with its secrets replaced by ••••."""
        for start, end, _ in reversed(self.spans(text)):
            text = f"{text[:start]}{MASKED}{text[end:]}"
        return text

    def _in_place(self, place: Place, text: str) -> list[tuple[int, int, str]]:
        spans = self.spans(text)
        named = not spans and _NAMED.fullmatch(f"{place[-1]}='secret1'")
        # A value by itself, as in a tool's arguments {"password": "…"}.
        if named and _is_secret(named["name"], text, quoted=True):
            return [(0, len(text), named["name"].lower())]
        return spans

    def find(self, events: Iterable[Event]) -> list[Finding]:
        """Return the secrets of facts, in their order."""
        findings = []
        for event in exported(events):
            for place, text in texts(readable_data(event)):
                plain: list[str] = []
                plainly(text, lambda seen, kept=plain: kept.append(seen) or seen)  # type: ignore[misc]
                for start, end, sort in self._in_place(place, plain[0]):
                    secret = plain[0][start:end]
                    tail = secret[-4:] if len(secret) >= 12 and "\n" not in secret else ""
                    where = self.masked(".".join(place[1:] or place))
                    findings.append(Finding(event.seq, event.kind, event.source, where, sort, tail))
        return findings

    def clean(self, events: Iterable[Event]) -> list[Event]:
        """Return facts with their secrets replaced by ••••."""

        def change(place: Place, text: str) -> str:
            def mask(plain: str) -> str:
                for start, end, _ in reversed(self._in_place(place, plain)):
                    plain = f"{plain[:start]}{MASKED}{plain[end:]}"
                return plain

            return plainly(text, mask)

        return [Event.model_validate(rewritten(readable_data(event), change)) for event in exported(events)]


def _is_secret(name: str, value: str, *, quoted: bool) -> bool:
    value = value.strip()
    if len(value) < 6 or _stands_for_one(value) or value.lower() == name.lower():
        return False
    if any(character.isspace() for character in value):
        return name.lower() == "passphrase" and quoted
    digit, letter = any(c.isdigit() for c in value), any(c.isalpha() for c in value)
    if quoted and name.lower().startswith(("passw", "passp")):
        return True
    if name.lower().startswith(("passw", "passp", "pwd")) and _is_strong(value):
        return True
    return digit and letter and len(value) >= (8 if quoted else 7) and not value.startswith(("/", "~", "."))


def _is_strong(value: str) -> bool:
    """Tell whether a word without quotes looks like a password by itself: a few words in one, or letters and signs."""
    words = re.split(r"[-_.]", value.rstrip(".,!?").lower())
    if len(value) >= 12 and len(words) >= 3 and all(len(word) >= 3 and word.isalpha() for word in words):
        return not any(_SAYS_SO.fullmatch(word) for word in words)
    mixed = any(c.isupper() for c in value) and any(c.islower() for c in value)
    return len(value) >= 8 and mixed and re.search(r"[!@#%^*+?~].*\w", value) is not None


def _stands_for_one(value: str) -> bool:
    return MASKED in value or _PLACEHOLDER.fullmatch(value) is not None or _REFERENCE.fullmatch(value) is not None


def scan(run: Given | Iterable[Event]) -> list[Finding]:
    """Return the secrets an export of a run would show, by fact.

    ```python
    from agentnb import RunLog
    from agentnb.transcripts import scan

    log = RunLog()
    log.note("The key is AKIAQ2W3E4R5T6Y7U2I3.")
    print(*scan(log))
    ```

    Args:
        run: A log, what has one, the path of its file, or its id; or facts.

    Raises:
        UserError: If it is none of these.
    """
    if isinstance(run, Iterable) and not isinstance(run, str | Mapping) and not hasattr(run, "log"):
        facts = list(run)
        if all(isinstance(one, Event) for one in facts):
            return SecretScanner().find(facts)
    return SecretScanner().find(log_of(run, "scan"))


SHOWN = 10
"""Findings that an error lists."""


def refuse(findings: list[Finding], name: str) -> None:
    """Raise if there are findings.

    Raises:
        UserError: The message says where each is, and what to do.
    """
    if not findings:
        return
    count = len(findings)
    listed = "".join(f"\n  {finding}" for finding in findings[:SHOWN])
    more = f"\n  and {count - SHOWN} more" if count > SHOWN else ""
    raise UserError(
        f"{name} was not written: it would show {count} secret{'s' if count > 1 else ''}.{listed}{more}\n"
        f'Export with secrets="mask" to write {MASKED} in {"their" if count > 1 else "its"} place, or with '
        'secrets="keep" if they may be seen. A key that was shown to others should be replaced.'
    )
