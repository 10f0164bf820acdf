"""AutoGen's few names without a room."""

from __future__ import annotations

import functools
import inspect
from typing import Annotated

import pytest

from agentnb.compat.old import args_base_model_from_signature, get_typed_signature, normalize_annotated_type


def weigh(species: Annotated[str, "which penguin"], grams: float = 4000.0, cancellation_token: object = None) -> str:
    return f"{species} {grams}"


def test_a_signature_has_types_where_the_source_has_text() -> None:
    signature = get_typed_signature(weigh)

    assert signature.parameters["grams"].annotation is float
    assert signature.parameters["species"].annotation == Annotated[str, "which penguin"]
    assert signature.return_annotation is str


def test_a_partials_signature_lacks_what_is_bound() -> None:
    signature = get_typed_signature(functools.partial(weigh, "Gentoo"))

    assert "species" not in signature.parameters


def test_a_signature_becomes_a_model_with_descriptions_and_defaults() -> None:
    model = args_base_model_from_signature("Weigh", get_typed_signature(weigh))

    assert model.model_json_schema()["properties"] == {
        "species": {"description": "which penguin", "title": "Species", "type": "string"},
        "grams": {"default": 4000.0, "description": "grams", "title": "Grams", "type": "number"},
    }
    assert model.model_json_schema()["required"] == ["species"]


def test_a_parameter_without_a_type_is_refused_by_name() -> None:
    def bare(x):  # type: ignore[no-untyped-def]
        return x

    with pytest.raises(ValueError, match="'x' of 'Bare' has no annotation"):
        args_base_model_from_signature("Bare", inspect.signature(bare))


def test_a_description_that_is_no_text_is_refused() -> None:
    def numbered(x: int) -> int:
        return x

    signature = get_typed_signature(numbered)
    parameter = signature.parameters["x"].replace(annotation=Annotated[int, 7])

    with pytest.raises(ValueError, match=r"Numbered\.x is 7"):
        args_base_model_from_signature("Numbered", signature.replace(parameters=[parameter]))


def test_annotated_types_are_unwrapped() -> None:
    assert normalize_annotated_type(Annotated[int, "n"]) is int
    assert normalize_annotated_type(int) is int
