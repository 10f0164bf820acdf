"""Over because models have cost enough money."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from agentnb.conditions.base import PlainTermination, Said, is_number
from agentnb.core import EventId
from agentnb.exceptions import UserError
from agentnb.messages import BaseAgentEvent, BaseChatMessage, RequestUsage
from agentnb.models.prices import price_of
from agentnb.runlog import Event, ModelFinished, RunLog, TurnFinished, TurnStarted, current
from agentnb.runlog import Said as SaidFact

Price = tuple[float, float]

_ANY = "*"
_OPENS = ("started", ".sent", ".delivered")
_CLOSES = (".finished", ".handled")


class CostTermination(PlainTermination):
    """Over when models have cost `usd` US dollars.

    ```python
    CostTermination(0.50)
    CostTermination(0.50, prices={"my-finetune": (0.30, 1.20)})
    ```

    In a run every call of a model below it counts, as the run's log has them: those that choose speakers and those of
    nested teams and of agents that are tools, too. A call costs its tokens at the price given here for its model, else
    what the log says (`cost_usd`), else its tokens at the price given for `"*"`, else at that of
    `agentnb.models.price_of`; a cached answer costs nothing. An agent whose calls nobody records counts with the
    `models_usage` of what it says, and so does everybody where there is no run.

    Args:
        usd: US dollars.
        prices: US dollars per million prompt tokens and per million completion tokens, by the model's name, as in
            `"gpt-4o-mini"` or `"openai:gpt-4o-mini"`; `"*"` stands for every other model, `(0, 0)` is free of charge.

    Raises:
        ValueError: If `usd` is not positive, or a price is negative. When it is asked: if a model without a price has
            answered, or one that does not tell its tokens, since a limit that cannot be counted would never hold.
    """

    def __init__(self, usd: float, prices: Mapping[str, tuple[float, float]] | None = None) -> None:
        if not is_number(usd) or not usd > 0:
            raise UserError(f"CostTermination's usd is {usd!r:.80}; it must be a number of US dollars above 0.")
        self._usd = usd
        self._prices = {model: _checked(model, price) for model, price in (prices or {}).items()}
        self._spent = 0.0
        self._run: EventId | None = None
        self._seen = 0
        # Up to which fact of which run all costs are in the sum.
        self._counted: tuple[EventId | None, int] = (None, 0)
        # The facts of the run that still go on, each with the turn it belongs to.
        self._turn_of: dict[EventId, EventId | None] = {}
        # Tokens reported in turns that still go on and have no recorded call.
        self._reported: dict[EventId, RequestUsage] = {}

    @property
    def spent_usd(self) -> float:
        """US dollars counted so far."""
        return self._spent

    def _reason(self, messages: Said) -> str | None:
        here = current()
        if here is None:
            for message in messages:
                if message.models_usage is not None:
                    self._spent += self._reported_cost(message.models_usage, message.source)
        else:
            if here.parent != self._run:
                self._begin(here.log, here.parent)
            for fact in here.log.since(self._seen):
                self._take(fact)
                self._seen = fact.seq  # afterwards: what could not be counted is not skipped the next time
        if self._spent < self._usd:
            return None
        return f"the limit of {self._usd:g} US dollars was reached ({self._spent:.4g})"

    def _begin(self, log: RunLog, run: EventId | None) -> None:
        self._run = run
        self._seen = next((fact.seq for fact in log if fact.id == run), len(log))
        self._turn_of = {} if run is None else {run: None}
        self._reported = {}

    def _take(self, fact: Event) -> None:
        parent = fact.parent
        if parent not in self._turn_of:
            return
        turn = self._turn_of[parent]
        run, counted = self._counted
        counts = run != self._run or fact.seq > counted
        match fact.body:
            case TurnStarted():
                turn = fact.id
                self._reported[turn] = RequestUsage(0, 0)
            case SaidFact() if turn in self._reported:
                self._report(self._reported[turn], fact.body.message)
            case ModelFinished():
                if counts:
                    self._spent += self._call_cost(fact, fact.body)
                self._reported.pop(turn or EventId(""), None)
            case TurnFinished() if parent in self._reported:
                usage = self._reported.pop(parent)
                if counts:
                    self._spent += self._reported_cost(usage, fact.body.agent)
        if fact.kind.endswith(_CLOSES):
            self._turn_of.pop(parent)
        elif fact.kind.endswith(_OPENS):
            self._turn_of[fact.id] = turn

    def _report(self, total: RequestUsage, message: Any) -> None:
        if isinstance(message, BaseAgentEvent | BaseChatMessage) and message.models_usage is not None:
            total.prompt_tokens += message.models_usage.prompt_tokens
            total.completion_tokens += message.models_usage.completion_tokens

    def _call_cost(self, fact: Event, body: ModelFinished) -> float:
        usage = fact.usage
        # Without usage it failed, or it was passed on to another client, which has it.
        if usage is None or body.result is None or body.result.cached:
            return 0.0
        names = (body.model, body.model.partition(":")[2])
        price = next((self._prices[name] for name in names if name in self._prices), None)
        if price is None and usage.cost_usd is not None:
            return usage.cost_usd
        price = price or self._prices.get(_ANY)
        listed = price_of(body.model) if price is None else None
        if price is None and listed is None:
            name = body.model.partition(":")[2] or body.model
            raise UserError(
                f"CostTermination({self._usd:g}) cannot tell what {body.model!r} costs, so it would never fire. Give "
                f"US dollars per million prompt and completion tokens: prices={{{name!r}: (…, …)}}, or (0, 0) if free."
            )
        prompt, completion = usage.prompt_tokens or 0, usage.completion_tokens or 0
        if not prompt and not completion and (price is None or any(price)):
            raise UserError(
                f"CostTermination({self._usd:g}) cannot count: {body.model!r} answered without saying how many tokens "
                "it took. Let its server report usage, or use MaxMessageTermination."
            )
        if listed is not None:
            return listed.cost_usd(RequestUsage(prompt, completion))
        return _cost(price or (0.0, 0.0), prompt, completion)

    def _reported_cost(self, usage: RequestUsage, source: str) -> float:
        if not usage.prompt_tokens and not usage.completion_tokens:
            return 0.0
        price = self._prices.get(_ANY)
        if price is None and len(self._prices) == 1:
            (price,) = self._prices.values()
        if price is None:
            raise UserError(
                f"CostTermination({self._usd:g}) cannot tell what the tokens of {source!r} cost: no record says which "
                f"model it asked. Give a price for every model that is not named: prices={{'*': (…, …)}}."
            )
        return _cost(price, usage.prompt_tokens, usage.completion_tokens)

    async def reset(self) -> None:
        await super().reset()
        self._spent = 0.0
        here = current()
        if here is not None:
            self._counted = (here.parent, len(here.log))

    def _count(self) -> dict[str, Any]:
        return {"spent_usd": self._spent, "run": self._run, "seen": self._seen}

    def _count_on(self, state: Mapping[str, Any]) -> None:
        self._spent = float(state["spent_usd"])
        self._counted = (state["run"], int(state["seen"]))
        self._run = None  # what led to a sum that goes on is read again


def _checked(model: str, price: tuple[float, float]) -> Price:
    try:
        prompt, completion = map(float, price)
    except (TypeError, ValueError):
        prompt = completion = math.nan
    if not (prompt >= 0 and completion >= 0):
        raise UserError(
            f"The price of {model!r} is {price!r}; it must be two numbers, US dollars per million prompt tokens and "
            "per million completion tokens."
        )
    return prompt, completion


def _cost(price: Price, prompt_tokens: int, completion_tokens: int) -> float:
    return (price[0] * prompt_tokens + price[1] * completion_tokens) / 1_000_000
