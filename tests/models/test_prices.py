"""What models cost: the dated list, the user's own prices, and what a client says of an answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentnb.messages import CreateResult, RequestUsage
from agentnb.models import ScriptedChatCompletionClient, cost_usd, price_of, prices, set_prices
from agentnb.models.answers import Answer
from agentnb.models.base import BilledUsage
from agentnb.models.openai import OpenAIChatCompletionClient
from agentnb.models.prices import Price

MILLION = RequestUsage(1_000_000, 1_000_000)


@pytest.fixture(autouse=True)
def nobody_says(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin and end without prices of the user's own, and with no server named."""
    for name in ("AGENTNB_PRICES", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    before = dict(prices._given)
    prices._given.clear()
    set_prices({})  # the environment is looked at anew
    yield
    prices._given.clear()
    prices._given.update(before)


def made(usage: RequestUsage, *, cached: bool = False) -> CreateResult:
    return CreateResult(finish_reason="stop", content="hi", usage=usage, cached=cached)


def client(**arguments: Any) -> OpenAIChatCompletionClient:
    return OpenAIChatCompletionClient(**{"model": "gpt-4o-mini", "api_key": "k", **arguments})


# -- the list ---------------------------------------------------------------------------------------------------------


def test_the_list_says_of_each_price_what_it_is_the_day_and_where_it_stands() -> None:
    data = json.loads(Path(prices.__file__).with_name("prices.json").read_text())
    rows = [(name, row) for maker in data["providers"].values() for name, row in maker["models"].items()]

    assert re.fullmatch(r"20\d\d-\d\d-\d\d", data["as_of"])
    assert data["unit"] == "US dollars per million tokens"
    assert all(maker["source"].startswith("https://") for maker in data["providers"].values())
    assert {"anthropic", "deepseek", "google", "mistral", "openai"} <= data["providers"].keys()
    assert all(0 < row["prompt"] <= row["completion"] for _, row in rows)
    assert all(row.get("cached_prompt", 0) <= row["prompt"] for _, row in rows)
    assert all(("above" in row) == ("long" in row) for _, row in rows)
    assert {name: price_of(name) for name, _ in rows if price_of(name) is None} == {}


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("openai:gpt-4o-mini", "gpt-4o-mini"),
        ("openai/gpt-4o-mini", "gpt-4o-mini"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("openai:claude-opus-4-20250514", "claude-opus-4"),
        ("anthropic/claude-3-5-haiku-latest", "claude-3-5-haiku"),
        ("gemini-2.5-pro-preview-06-05", "gemini-2.5-pro"),
        ("models/gemini-2.0-flash-001", "gemini-2.0-flash"),
        ("mistral:mistral-large-2411", "mistral-large"),
    ],
)
def test_a_prefix_and_a_date_are_no_other_model(name: str, listed: str) -> None:
    price = price_of(name)

    assert price is not None
    assert price == price_of(listed)
    assert price.as_of.startswith("20")
    assert price.source.startswith("https://")


def test_a_dated_name_that_is_listed_itself_has_its_own_price() -> None:
    old, new = price_of("gpt-4o-2024-05-13"), price_of("gpt-4o")

    assert old is not None
    assert new is not None
    assert old.prompt > new.prompt


@pytest.mark.parametrize(
    "name", ["", "gpt-4o-banana", "ft:gpt-4o:mine", "local:gpt-4o", "replay:gpt-4o", "azure:gpt-4o", "scripted"]
)
def test_what_nobody_has_said_is_not_known(name: str) -> None:
    assert price_of(name) is None
    assert cost_usd(name, MILLION) is None


# -- what a request costs ---------------------------------------------------------------------------------------------


def test_tokens_of_prompt_answer_and_cache_have_each_their_price() -> None:
    price = Price(2.0, 8.0, 0.5)
    usage = RequestUsage(1000, 100)

    assert price.cost_usd(usage) == pytest.approx((1000 * 2 + 100 * 8) / 1e6)
    assert price.cost_usd(usage, cached_prompt_tokens=600) == pytest.approx((400 * 2 + 600 * 0.5 + 100 * 8) / 1e6)
    assert Price(2.0, 8.0).cost_usd(usage, cached_prompt_tokens=600) == price.cost_usd(usage)


def test_a_long_prompt_makes_all_tokens_dearer() -> None:
    short, long = RequestUsage(200_000, 10), RequestUsage(200_001, 10)

    assert cost_usd("gemini-2.5-pro", short) == pytest.approx((200_000 * 1.25 + 10 * 10) / 1e6)
    assert cost_usd("gemini-2.5-pro", long) == pytest.approx((200_001 * 2.5 + 10 * 15) / 1e6)


# -- a user's own prices ----------------------------------------------------------------------------------------------


def test_a_users_price_comes_before_the_list_and_can_be_taken_back() -> None:
    listed = price_of("gpt-4o")
    set_prices({"gpt-4o": (1, 2), "mine": {"prompt": 3, "cached_prompt": 1, "completion": 4}})

    assert price_of("openai:gpt-4o") == Price(1, 2)
    assert price_of("openai:mine") == Price(3, 4, 1)
    set_prices({"gpt-4o": None})
    assert price_of("gpt-4o") == listed


def test_local_models_cost_nothing_only_if_somebody_says_so() -> None:
    assert cost_usd("local:small.gguf", MILLION) is None
    set_prices({"local": (0, 0)})
    assert cost_usd("local:small.gguf", MILLION) == 0


def test_a_star_stands_for_every_other_model() -> None:
    set_prices({"*": (1, 1), "a": (2, 2)})

    assert (cost_usd("a", MILLION), cost_usd("b:c", MILLION)) == (4, 2)


@pytest.mark.parametrize(
    "price",
    [1, "1", (1,), (1, -1), (1, float("nan")), {"prompt": 1}, {"prompt": 1, "completion": 1, "out": 1}, (True, 1)],
)
def test_a_price_that_is_none_is_refused_by_name_and_nothing_is_changed(price: Any) -> None:
    with pytest.raises(ValueError, match=r"The price of 'b' in set_prices is .*per million tokens"):
        set_prices({"a": (1, 1), "b": price})

    assert price_of("a") is None


def test_a_file_named_in_the_environment_gives_prices_and_is_read_again_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "prices.json"
    file.write_text('{"gpt-4o": {"prompt": 1, "completion": 2}, "local": [0, 0]}')
    monkeypatch.setenv("AGENTNB_PRICES", str(file))
    first = cost_usd("gpt-4o", MILLION), cost_usd("local:x", MILLION)
    file.write_text('{"gpt-4o": {"prompt": 10, "completion": 20}}')
    second = cost_usd("gpt-4o", MILLION), cost_usd("local:x", MILLION)
    set_prices({"gpt-4o": (5, 5)})

    assert (first, second) == ((3, 0), (30, None))
    assert cost_usd("gpt-4o", MILLION) == 10


@pytest.mark.parametrize("text", [None, "{", "[1]", '{"gpt-4o": "cheap"}'])
def test_a_file_that_is_none_is_named(text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "prices.json"
    if text is not None:
        file.write_text(text)
    monkeypatch.setenv("AGENTNB_PRICES", str(file))

    with pytest.raises(ValueError, match=r"prices\.json"):
        price_of("gpt-4o")


# -- what a client says -----------------------------------------------------------------------------------------------


def test_the_makers_own_server_is_priced_by_the_list() -> None:
    assert client().cost_usd(made(MILLION)) == pytest.approx(0.75)
    assert client(model="gemini-2.5-flash").cost_usd(made(MILLION)) == cost_usd("gemini-2.5-flash", MILLION)


def test_another_server_may_ask_another_price_and_is_priced_by_its_user_alone() -> None:
    elsewhere = client(base_url="http://127.0.0.1:8000/v1")
    before = elsewhere.cost_usd(made(MILLION))
    set_prices({"openai:gpt-4o-mini": (1, 1)})

    assert (before, elsewhere.cost_usd(made(MILLION))) == (None, 2)


def test_a_cached_answer_costs_nothing_and_an_uncounted_one_is_not_known() -> None:
    assert client().cost_usd(made(MILLION, cached=True)) == 0
    assert client().cost_usd(made(RequestUsage(0, 0))) is None


@pytest.mark.parametrize(
    "counted", [{"prompt_tokens_details": {"cached_tokens": 600}}, {"prompt_cache_hit_tokens": 600}]
)
def test_tokens_that_the_server_had_kept_are_cheaper(counted: dict[str, Any]) -> None:
    answer = Answer("m")
    message = {"message": {"content": "hi"}, "finish_reason": "stop"}
    answer.add({"choices": [message], "usage": {"prompt_tokens": 1000, "completion_tokens": 100, **counted}})
    result = answer.result()

    assert result.usage == RequestUsage(1000, 100)
    assert client().cost_usd(result) == pytest.approx((400 * 0.15 + 600 * 0.075 + 100 * 0.6) / 1e6)
    assert result.model_dump(mode="json")["usage"] == {"prompt_tokens": 1000, "completion_tokens": 100}


def test_a_request_served_in_another_way_is_not_priced_by_the_list() -> None:
    assert client().cost_usd(made(BilledUsage(1000, 100, 0, "priority"))) is None


def test_any_client_is_priced_by_its_user() -> None:
    scripted = ScriptedChatCompletionClient(["hi"], name="mine")
    before = scripted.cost_usd(made(MILLION))
    set_prices({"mine": (1, 2)})

    assert (before, scripted.cost_usd(made(MILLION))) == (None, 3)


def test_a_file_that_cannot_be_read_does_not_lose_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTNB_PRICES", "/nowhere/prices.json")

    with pytest.warns(UserWarning, match=r"What openai:gpt-4o-mini costs is not known. AGENTNB_PRICES names"):
        assert client().cost_usd(made(MILLION)) is None
