"""What models cost: the makers' prices of a day, and before them the prices a user gives."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import Any

from agentnb.exceptions import UserError
from agentnb.messages import RequestUsage

__all__ = ["PRICES_VARIABLE", "Price", "are_given", "cost_usd", "price_of", "set_prices"]

PRICES_VARIABLE = "AGENTNB_PRICES"
"""Names a JSON file of prices, as `set_prices` takes them."""
ANY = "*"
"""Stands for every model that is not named."""

_FIELDS = ("prompt", "completion", "cached_prompt")
_LIST = Path(__file__).with_name("prices.json")
_DATED = re.compile(
    r"[-@](?:preview-)?(?:20\d\d-\d\d-\d\d|20\d{6}|\d\d-\d{4}|\d\d-\d\d|\d{4}|\d{3}|latest)\Z"
)  # gpt-4o-2024-08-06, claude-opus-4@20250514, gemini-2.5-pro-preview-06-05, mistral-large-2411, gemini-2.0-flash-001


@dataclass(frozen=True, slots=True)
class Price:
    """What a model's tokens cost, in US dollars per million.

    Attributes:
        prompt: Tokens of the prompt.
        completion: Tokens of the answer, its reasoning included.
        cached_prompt: Tokens of the prompt that the server had kept from an earlier one; None: as others.
        above: Tokens of a prompt above which all tokens of the request cost what `long` says.
        long: That price.
        as_of: The day of the price, as in `"2026-01-31"`; empty for a user's own.
        source: Where the price is published; empty for a user's own.
    """

    prompt: float
    completion: float
    cached_prompt: float | None = None
    above: int | None = None
    long: Price | None = None
    as_of: str = ""
    source: str = ""

    def cost_usd(self, usage: RequestUsage, *, cached_prompt_tokens: int = 0) -> float:
        """Return the US dollars of one request.

        Args:
            usage: Its tokens.
            cached_prompt_tokens: Those of the prompt that the server had kept.
        """
        if self.above is not None and self.long is not None and usage.prompt_tokens > self.above:
            return self.long.cost_usd(usage, cached_prompt_tokens=cached_prompt_tokens)
        cached = min(cached_prompt_tokens, usage.prompt_tokens)
        kept = self.prompt if self.cached_prompt is None else self.cached_prompt
        prompt = (usage.prompt_tokens - cached) * self.prompt + cached * kept
        return (prompt + usage.completion_tokens * self.completion) / 1_000_000


_given: dict[str, Price] = {}


def set_prices(prices: Mapping[str, Any]) -> None:
    """Say what models cost, for this process; calls that come after are counted with it.

    ```python
    set_prices({"my-finetune": (0.30, 1.20), "qwen3": {"prompt": 0.1, "cached_prompt": 0.02, "completion": 0.3}})
    ```

    Args:
        prices: By the model's name, as in `"gpt-4o-mini"` or `"openai:gpt-4o-mini"`, or by what stands before the
            colon alone, as in `"local"`; `"*"` stands for every other model. US dollars per million tokens: of the
            prompt and of the answer, or a dict with `prompt`, `completion` and, if there is one, `cached_prompt`.
            None takes back what was given for a model.

    Raises:
        ValueError: If a price is no such thing; nothing is changed.
    """
    read = {model: None if price is None else _read(model, price, "set_prices") for model, price in prices.items()}
    global _unnamed_since
    _unnamed_since = float("-inf")
    for model, price in read.items():
        if price is None:
            _given.pop(model, None)
        else:
            _given[model] = price


def are_given() -> bool:
    """Tell whether a user has said what any model costs."""
    return bool(_given or _named())


def price_of(model: str, *, listed: bool = True) -> Price | None:
    """Return what a model costs; None if nobody has said.

    A user's own prices come first: those of `set_prices`, then those of the file AGENTNB_PRICES. Then the list that
    comes with the package, by the makers' names: a dated name stands for the longest listed one that it dates, as
    `gpt-4o-2024-08-06` for `gpt-4o`. A model that runs here, `"local:…"`, is not listed.

    Args:
        model: Its name, as in `"gpt-4o-mini"`, `"openai:gpt-4o-mini"` or `"openai/gpt-4o-mini"`.
        listed: False for the user's own prices alone: what a maker asks may not hold at another address.

    Raises:
        ValueError: If the file AGENTNB_PRICES cannot be read.
    """
    file = _named()
    if not _given and not file:
        return _listed(model) if listed else None  # asked for at every call of a model
    before, colon, name = model.partition(":")
    for own in (_given, _from_file(file)):
        for key in (model, name if colon else model, before, ANY):
            if key in own:
                return own[key]
    return _listed(model) if listed else None


def cost_usd(model: str, usage: RequestUsage, *, cached_prompt_tokens: int = 0, listed: bool = True) -> float | None:
    """Return the US dollars of one request; None if its price is not known.

    Args:
        model: As for `price_of`.
        usage: The request's tokens.
        cached_prompt_tokens: Those of the prompt that the server had kept from an earlier one.
        listed: As for `price_of`.
    """
    price = price_of(model, listed=listed)
    return None if price is None else price.cost_usd(usage, cached_prompt_tokens=cached_prompt_tokens)


@lru_cache(maxsize=1)
def _makers() -> dict[str, dict[str, Price]]:
    """Return the list, by maker and model."""
    data = json.loads(_LIST.read_text(encoding="utf-8"))
    return {
        maker: {name: _listed_price(row, data["as_of"], entry["source"]) for name, row in entry["models"].items()}
        for maker, entry in data["providers"].items()
    }


def _listed_price(row: Mapping[str, Any], as_of: str, source: str) -> Price:
    plain = {name: row[name] for name in _FIELDS if name in row}
    long = {name: row["long"][name] for name in _FIELDS if name in row["long"]} if "long" in row else None
    return Price(
        **plain,
        above=row.get("above"),
        long=None if long is None else Price(**long, as_of=as_of, source=source),
        as_of=as_of,
        source=source,
    )


_SAME = {"gemini": "google", "xai": "x-ai", "mistralai": "mistral"}


@lru_cache(maxsize=256)
def _listed(model: str) -> Price | None:
    makers = _makers()
    model = model.removeprefix("models/")
    maker, separator, name = model.partition(":") if ":" in model else model.partition("/")
    if not separator:
        name = model
    elif _SAME.get(maker, maker) not in makers:
        return None
    # `openai:` says how a client asks; whom it asks is said by the model's name.
    only = None if maker == "openai" or not separator else _SAME.get(maker, maker)
    while name:
        for listed in makers.values() if only is None else (makers[only],):
            if name in listed:
                return listed[name]
        shorter = _DATED.sub("", name)
        if shorter == name:
            break
        name = shorter
    return None


_unnamed_since = float("-inf")


def _named() -> str:
    """Return the file that AGENTNB_PRICES names."""
    global _unnamed_since
    # What is missing in the environment costs an exception within a deep stack, as much as a whole fact: that there is
    # no such variable is taken for true for a second.
    if monotonic() - _unnamed_since < 1.0:
        return ""
    named = os.environ.get(PRICES_VARIABLE, "")
    if not named:
        _unnamed_since = monotonic()
    return named


def _from_file(named: str) -> Mapping[str, Price]:
    if not named:
        return {}
    try:
        stat = os.stat(named)
    except OSError as error:
        raise UserError(f"{PRICES_VARIABLE} names {named!r}, which cannot be read: {error.strerror}.") from error
    return _file(named, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=4)
def _file(path: str, changed: int, size: int) -> Mapping[str, Price]:
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{PRICES_VARIABLE} names {path!r}, which is no JSON file of prices: {error}.") from error
    if not isinstance(data, dict):
        raise UserError(
            f'{path} must hold an object by model, as in {{"my-model": {{"prompt": 0.3, "completion": 1}}}}.'
        )
    return {model: _read(model, price, path) for model, price in data.items()}


def _read(model: str, price: Any, where: str) -> Price:
    if isinstance(price, Price):
        return price
    if isinstance(price, Mapping):
        given = dict(price)
    elif isinstance(price, list | tuple) and len(price) in (2, 3):
        given = dict(zip(_FIELDS, price, strict=False))
    else:
        given = {}
    numbers = [value for value in given.values() if _is_price(value)]
    if not {"prompt", "completion"} <= given.keys() <= set(_FIELDS) or len(numbers) < len(given):
        raise UserError(
            f"The price of {model!r} in {where} is {price!r}; it must be US dollars per million tokens of the prompt "
            'and of the answer, (0.15, 0.60), or {"prompt": 0.15, "cached_prompt": 0.075, "completion": 0.60}.'
        )
    return Price(**given)


def _is_price(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
