"""Generated frames and questions on them, with the reading a person would choose.

The first twenty questions were seen while the rules were written; the other twenty were written afterwards, and nothing
was changed for them. The second figure is therefore the one to quote.

`python tests/recipes/questions.py` prints how often the embedded model's first choice is that reading.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple

import numpy as np
import pandas as pd

from agentnb.models.local import LocalChatCompletionClient
from agentnb.recipes.guesses import Guess, guesses
from agentnb.recipes.guided import rank
from agentnb.recipes.plan import profile


@dataclass(frozen=True)
class Case:
    """A question and what should be computed: the form, the columns concerned, the aggregate."""

    frame: str
    question: str
    form: str
    columns: frozenset[str]
    aggregate: str = ""
    lowest: bool = False

    def fits(self, guess: Guess) -> bool:
        """Tell whether a reading is the one a person would choose."""
        named = {name.replace(" ", "_") for name in (guess.group, guess.number) if name}
        same = guess.form == self.form and named == self.columns
        return same and guess.aggregate == self.aggregate and guess.lowest == self.lowest


def frames() -> dict[str, pd.DataFrame]:
    """Make the three frames; always the same."""
    r = np.random.default_rng(7)
    cars = pd.DataFrame(
        {
            "car_id": range(1, 201),
            "brand": r.choice(["Asta", "Borel", "Cervo"], 200),
            "fuel": r.choice(["petrol", "diesel", "electric"], 200),
            "price_eur": r.normal(24_000, 6_000, 200).round(0),
            "weight_kg": r.normal(1_400, 200, 200).round(0),
            "top_speed_kmh": r.normal(190, 20, 200).round(0),
            "year": r.integers(2008, 2024, 200),
        }
    )
    patients = pd.DataFrame(
        {
            "patient_id": range(500, 680),
            "hospital": r.choice(["Mercy", "Hill", "Lake"], 180),
            "smoker": r.choice([True, False], 180),
            "age": r.integers(18, 90, 180),
            "blood_pressure": r.normal(125, 15, 180).round(1),
            "cholesterol": r.normal(200, 30, 180).round(1),
            "days_in_ward": r.integers(1, 30, 180),
        }
    )
    patients.loc[::9, "cholesterol"] = np.nan
    weather = pd.DataFrame(
        {
            "city": r.choice(["Oslo", "Rome", "Cairo", "Lima"], 240),
            "season": r.choice(["spring", "summer", "autumn", "winter"], 240),
            "temperature_c": r.normal(15, 9, 240).round(1),
            "rainfall_mm": r.gamma(2, 3, 240).round(1),
            "wind_speed": r.gamma(3, 4, 240).round(1),
            "humidity": r.uniform(20, 100, 240).round(0),
        }
    )
    return {"cars": cars, "patients": patients, "weather": weather, **_fresh_frames(r)}


def _fresh_frames(r: np.random.Generator) -> dict[str, pd.DataFrame]:
    houses = pd.DataFrame(
        {
            "district": r.choice(["Harbour", "Old Town", "Station"], 150),
            "heating": r.choice(["gas", "oil", "heat pump"], 150),
            "asking_price": r.normal(410_000, 90_000, 150).round(0),
            "floor_area_m2": r.normal(95, 25, 150).round(1),
            "built_year": r.integers(1920, 2022, 150),
            "energy_kwh": r.normal(140, 40, 150).round(0),
        }
    )
    pupils = pd.DataFrame(
        {
            "school": r.choice(["Elm", "Ash", "Oak", "Fir"], 220),
            "gender": r.choice(["girl", "boy"], 220),
            "math_score": r.normal(60, 12, 220).round(1),
            "reading_score": r.normal(65, 10, 220).round(1),
            "absences": r.poisson(4, 220),
            "commute_minutes": r.gamma(4, 5, 220).round(0),
        }
    )
    pupils.loc[::7, "reading_score"] = np.nan
    films = pd.DataFrame(
        {
            "title": [f"Film {i}" for i in range(130)],
            "genre": r.choice(["drama", "comedy", "horror", "western"], 130),
            "country": r.choice(["France", "Japan", "Brazil"], 130),
            "budget_musd": r.gamma(3, 9, 130).round(1),
            "box_office_musd": r.gamma(3, 25, 130).round(1),
            "runtime_min": r.normal(108, 15, 130).round(0),
            "rating": r.normal(6.4, 1, 130).round(1),
        }
    )
    return {"houses": houses, "pupils": pupils, "films": films}


def _case(frame: str, question: str, form: str, columns: str, aggregate: str = "", *, lowest: bool = False) -> Case:
    return Case(frame, question, form, frozenset(columns.split()), aggregate, lowest)


CASES = (
    _case("cars", "Which brand is the most expensive?", "by group", "brand price_eur", "mean"),
    _case("cars", "Which brand builds the fastest cars?", "by group", "brand top_speed_kmh", "mean"),
    _case("cars", "Which fuel makes cars heaviest, and by how much?", "by group", "fuel weight_kg", "mean"),
    _case("cars", "How many cars are there of each brand?", "counts", "brand"),
    _case("cars", "What does a car cost on average?", "single", "price_eur", "mean"),
    _case("cars", "Are heavier cars slower? Is weight related to top speed?", "correlation", "weight_kg top_speed_kmh"),
    _case("cars", "What is the highest price?", "single", "price_eur", "max"),
    _case("patients", "Which hospital has the oldest patients?", "by group", "hospital age", "mean"),
    _case(
        "patients",
        "Where do patients stay longest? Compare the hospitals.",
        "by group",
        "hospital days_in_ward",
        "mean",
    ),
    _case("patients", "Do smokers have a higher blood pressure?", "by group", "smoker blood_pressure", "mean"),
    _case("patients", "How many cholesterol values are missing?", "missing", "cholesterol"),
    _case("patients", "What is the median age?", "single", "age", "median"),
    _case("patients", "Who is younger, smokers or others?", "by group", "smoker age", "mean", lowest=True),
    _case("patients", "How many different hospitals are there?", "distinct", "hospital"),
    _case("weather", "Which city is the warmest?", "by group", "city temperature_c", "mean"),
    _case("weather", "Which season is the wettest?", "by group", "season rainfall_mm", "mean"),
    _case("weather", "Which city is the windiest?", "by group", "city wind_speed", "mean"),
    _case("weather", "How hot is it in Cairo?", "single", "city_Cairo temperature_c", "mean"),
    _case("weather", "What is the total rainfall in Rome?", "single", "city_Rome rainfall_mm", "sum"),
    _case("weather", "Which season has the driest air?", "by group", "season humidity", "mean", lowest=True),
)


FRESH = (
    _case("houses", "In which district are homes priciest?", "by group", "district asking_price", "mean"),
    _case("houses", "Which district has the roomiest homes?", "by group", "district floor_area_m2", "mean"),
    _case(
        "houses",
        "Which heating uses the least energy, and how much less?",
        "by group",
        "heating energy_kwh",
        "mean",
        lowest=True,
    ),
    _case(
        "houses",
        "Do larger homes cost more? How are area and price related?",
        "correlation",
        "floor_area_m2 asking_price",
    ),
    _case("houses", "How many houses have a heat pump?", "rows", "heating heat_pump"),
    _case(
        "houses", "What is a typical asking price in the Old Town?", "single", "district_Old_Town asking_price", "mean"
    ),
    _case("houses", "What's the smallest floor area on offer?", "single", "floor_area_m2", "min"),
    _case("pupils", "Which school is best at maths?", "by group", "school math_score", "mean"),
    _case("pupils", "Do girls read better than boys?", "by group", "gender reading_score", "mean"),
    _case("pupils", "Which school's pupils miss the most days?", "by group", "school absences", "mean"),
    _case("pupils", "Pupils of which school travel longest?", "by group", "school commute_minutes", "mean"),
    _case("pupils", "How many reading scores are missing?", "missing", "reading_score"),
    _case("pupils", "How many pupils does each school have?", "counts", "school"),
    _case("pupils", "How much do math scores vary?", "single", "math_score", "std"),
    _case("films", "Which genre lasts longest?", "by group", "genre runtime_min", "mean"),
    _case("films", "Which country makes the best loved films?", "by group", "country rating", "mean"),
    _case("films", "What genre earns the most at the box office?", "by group", "genre box_office_musd", "mean"),
    _case("films", "What is the most common genre?", "counts", "genre"),
    _case("films", "Is a bigger budget linked to a better rating?", "correlation", "budget_musd rating"),
    _case("films", "How long is the average film?", "single", "runtime_min", "mean"),
)


class Measured(NamedTuple):
    """How many first choices were right, how many lists held the right reading, and a line on each case."""

    first: int
    listed: int
    lines: list[str]


async def measure(client: LocalChatCompletionClient, cases: Sequence[Case]) -> Measured:
    """Let the model choose the reading of each question."""
    known = {name: profile(name, frame) for name, frame in frames().items()}
    first, listed, lines = 0, 0, []
    for case in cases:
        found = guesses(known[case.frame], case.question)
        began = perf_counter()
        ranked = await rank(client, case.question, found)
        met = [case.fits(guess) for guess in ranked]
        first += met[:1] == [True]
        listed += any(met)
        mark = "right" if met[:1] == [True] else "wrong"
        lines.append(
            f"{mark}  {len(found):2} readings {perf_counter() - began:4.1f} s  {case.question}  ->  "
            f"{ranked[0].code if ranked else 'nothing'}"
        )
    return Measured(first, listed, lines)


async def _main() -> None:
    client = LocalChatCompletionClient()
    await client.load()
    for name, cases in (("seen while the rules were written", CASES), ("fresh", FRESH)):
        first, listed, lines = await measure(client, cases)
        print("\n".join(lines))
        print(f"{name}: first choice right {first} of {len(cases)}, right reading among the candidates {listed}\n")


if __name__ == "__main__":
    asyncio.run(_main())
