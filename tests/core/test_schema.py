"""Functions as JSON schemas."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from agentnb.core import CancellationToken, arguments_model, inline_refs, parameters_schema
from agentnb.core.schema import ParametersSchema
from agentnb.exceptions import UserError


class Point(BaseModel):
    x: int
    y: int = 0


class Node(BaseModel):
    value: int
    children: list[Node] = []


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


def schema_of(function: Any) -> dict[str, Any]:
    return dict(parameters_schema(arguments_model(function, "f")))


def test_the_schema_is_what_autogen_gives_for_the_same_function() -> None:
    def f(a: int, b: Annotated[str, "the b"] = "z") -> int:
        return a

    assert schema_of(f) == {
        "type": "object",
        "properties": {
            "a": {"description": "a", "title": "A", "type": "integer"},
            "b": {"default": "z", "description": "the b", "title": "B", "type": "string"},
        },
        "required": ["a"],
        "additionalProperties": False,
    }


def test_optional_and_literal_parameters_say_what_they_take() -> None:
    def f(unit: Literal["C", "F"], note: Optional[str] = None, colour: Colour = Colour.RED) -> None: ...  # noqa: UP045

    properties = schema_of(f)["properties"]

    assert properties["unit"]["enum"] == ["C", "F"]
    assert properties["note"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
    assert properties["note"]["default"] is None
    assert properties["colour"]["enum"] == ["red", "blue"]
    assert schema_of(f)["required"] == ["unit"]


def test_a_nested_model_is_written_out_where_it_is_used() -> None:
    def f(start: Point, others: list[Point]) -> None: ...

    schema = schema_of(f)

    assert "$defs" not in schema
    assert "$ref" not in json.dumps(schema)
    assert schema["properties"]["start"]["properties"]["x"] == {"title": "X", "type": "integer"}
    assert schema["properties"]["others"]["items"]["required"] == ["x"]


def test_a_model_that_holds_itself_keeps_its_definition() -> None:
    def f(tree: Node, colour: Colour) -> None: ...

    schema = schema_of(f)

    assert schema["properties"]["tree"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}
    assert list(schema["$defs"]) == ["Node"]


def test_inlining_leaves_the_given_schema_as_it_was() -> None:
    class Holder(BaseModel):
        point: Point

    schema = Holder.model_json_schema()
    before = json.dumps(schema)

    inline_refs(schema)

    assert json.dumps(schema) == before


def test_a_parameter_without_a_type_is_named_with_the_right_way() -> None:
    def f(city) -> None: ...  # type: ignore[no-untyped-def]

    with pytest.raises(UserError, match=r"Tool 'weather': the parameter 'city' has no type.*`city: str`"):
        arguments_model(f, "weather")


def test_star_arguments_are_refused_by_name() -> None:
    def f(*names: str) -> None: ...
    def g(**options: str) -> None: ...

    with pytest.raises(UserError, match=r"'\*names: .*cannot be described"):
        arguments_model(f, "f")
    with pytest.raises(UserError, match=r"'\*\*options: .*cannot be described"):
        arguments_model(g, "g")


def test_a_description_that_is_no_text_is_refused() -> None:
    def f(a: Annotated[int, 3]) -> None: ...

    with pytest.raises(ValueError, match="'a' is 3; it must be a string"):
        arguments_model(f, "f")


def test_a_pydantic_field_may_describe_and_bind_a_parameter() -> None:
    def f(a: Annotated[int, Field(description="the a", ge=0)], b: Annotated[int, "the b", Field(le=9)]) -> None: ...

    model = arguments_model(f, "f")
    properties = parameters_schema(model)["properties"]

    assert properties["a"] == {"description": "the a", "minimum": 0, "title": "A", "type": "integer"}
    assert properties["b"] == {"description": "the b", "maximum": 9, "title": "B", "type": "integer"}
    with pytest.raises(ValidationError):
        model.model_validate({"a": 1, "b": 10})


def test_the_cancellation_token_is_hidden_from_the_model() -> None:
    def f(a: int, cancellation_token: CancellationToken) -> None: ...

    assert list(schema_of(f)["properties"]) == ["a"]


def test_what_a_partial_binds_by_place_is_hidden_and_by_name_is_a_default() -> None:
    def f(a: int, b: str, c: float) -> None: ...

    assert list(schema_of(functools.partial(f, 1))["properties"]) == ["b", "c"]
    assert schema_of(functools.partial(f, c=2.0))["properties"]["c"]["default"] == 2.0
    assert schema_of(functools.partial(f, c=2.0))["required"] == ["a", "b"]


def test_methods_and_callable_objects_have_schemas_without_self() -> None:
    class Adder:
        def add(self, a: int) -> int:
            return a

        def __call__(self, b: int) -> int:
            return b

    assert list(schema_of(Adder().add)["properties"]) == ["a"]
    assert list(schema_of(Adder())["properties"]) == ["b"]


def test_a_function_without_parameters_has_an_empty_schema() -> None:
    def f() -> None: ...

    assert schema_of(f) == {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


def test_a_parameter_without_a_type_raises_what_autogen_raises_too() -> None:
    def f(city) -> None: ...  # type: ignore[no-untyped-def]

    with pytest.raises(KeyError) as caught:
        arguments_model(f, "f")
    assert isinstance(caught.value, UserError)
    assert "\\" not in str(caught.value)


def test_parameters_may_have_names_that_pydantic_claims() -> None:
    def f(schema: str, model_config: int, _hidden: int = 1, *, copy: bool = True) -> None: ...

    model = arguments_model(f, "f")

    assert list(parameters_schema(model)["properties"]) == ["schema", "model_config", "_hidden", "copy"]
    assert parameters_schema(model)["required"] == ["schema", "model_config"]
    made = model.model_validate({"schema": "s", "model_config": 2, "_hidden": 3})
    assert made.model_dump(by_alias=True) == {"schema": "s", "model_config": 2, "_hidden": 3, "copy": True}


def test_a_wrapped_function_has_the_parameters_of_the_one_within() -> None:
    def f(a: Point) -> None: ...

    @functools.wraps(f)
    def wrapper(*args: Any, **kwargs: Any) -> None: ...

    assert list(schema_of(wrapper)["properties"]) == ["a"]
    assert list(schema_of(functools.partial(wrapper))["properties"]) == ["a"]


def test_a_model_without_a_json_schema_is_named() -> None:
    class Calls(BaseModel):
        f: Callable[[], int]

    with pytest.raises(UserError, match="Calls has no JSON schema"):
        parameters_schema(Calls)


def test_the_parameters_of_a_server_stay_whole_when_they_are_read() -> None:
    given = {"type": "object", "properties": {}, "anyOf": [{"required": ["a"]}], "$defs": {"A": {"type": "object"}}}

    assert TypeAdapter(ParametersSchema).validate_python(given) == given
