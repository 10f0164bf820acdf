"""JSON schemas as pydantic models."""

from __future__ import annotations

import copy
import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, Union
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from agentnb.core import inline_refs, schema_to_pydantic_model
from agentnb.exceptions import (
    FormatNotSupportedError,
    ReferenceNotFoundError,
    SchemaConversionError,
    UnsupportedKeywordError,
    UserError,
)


def of(required: list[str] | None = None, /, **properties: Any) -> type[BaseModel]:
    """Return the model of an object with these properties, all required unless said otherwise."""
    wanted = list(properties) if required is None else required
    return schema_to_pydantic_model({"type": "object", "properties": properties, "required": wanted}, "Model")


def takes(schema: dict[str, Any], value: Any) -> bool:
    """Tell whether a property of this schema takes a value."""
    try:
        of(value=schema).model_validate({"value": value})
    except ValidationError:
        return False
    return True


def value_of(schema: dict[str, Any], value: Any) -> Any:
    return getattr(of(value=schema).model_validate({"value": value}), "value")  # noqa: B009 - mypy knows no field of it


class TestObjects:
    def test_the_class_has_the_name_and_the_words_of_the_schema(self) -> None:
        name = {"type": "string", "description": "The whole name.", "examples": ["Ada"]}
        schema = {
            "type": "object",
            "title": "A person",
            "description": "Someone.",
            "properties": {"name": name},
            "required": ["name"],
        }

        model = schema_to_pydantic_model(schema, "Person")

        assert model.__name__ == "Person"
        assert model.__doc__ == "Someone."
        assert model.model_fields["name"].description == "The whole name."
        assert model.model_json_schema() == schema | {"properties": {"name": name | {"title": "Name"}}}

    def test_without_a_name_it_is_called_a_generated_model(self) -> None:
        assert schema_to_pydantic_model({"type": "object"}).__name__ == "GeneratedModel"

    def test_what_may_be_left_out_is_none_or_its_default(self) -> None:
        model = of(["a"], a={"type": "integer"}, b={"type": "string"}, c={"type": "string", "default": "x"})

        assert model.model_validate({"a": 1}).model_dump() == {"a": 1, "b": None, "c": "x"}
        assert model.model_validate({"a": 1, "b": None}).model_dump()["b"] is None
        assert model.model_fields["b"].annotation == str | None
        with pytest.raises(ValidationError):
            model.model_validate({})

    def test_a_default_is_each_ones_own_and_becomes_the_type(self) -> None:
        point = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"], "default": {"x": 1}}
        model: Any = of([], point=point, tags={"type": "array", "items": {"type": "string"}, "default": []})

        model().tags.append("mine")

        assert model().tags == []
        assert model().point.x == 1

    def test_a_default_of_null_makes_null_a_value(self) -> None:
        model = of([], a={"type": "string", "default": None})

        assert model.model_validate({"a": None}).model_dump() == {"a": None}

    def test_objects_hold_objects_and_lists_of_them(self) -> None:
        line = {"type": "object", "properties": {"price": {"type": "number"}}, "required": ["price"]}
        model: Any = of(first=line, others={"type": "array", "items": line})

        order = model.model_validate({"first": {"price": 1}, "others": [{"price": "2.5"}]})

        assert order.first.price == 1.0
        assert [type(other).__name__ for other in order.others] == ["Model_others_item"]
        with pytest.raises(ValidationError, match=r"others\.0\.price"):
            model.model_validate({"first": {"price": 1}, "others": [{}]})

    @pytest.mark.parametrize(
        "name", ["_private", "model_config", "model_dump", "schema", "json", "copy", "class", "a-b"]
    )
    def test_a_property_may_have_any_name(self, name: str) -> None:
        model = of(**{name: {"type": "integer"}})

        value = model.model_validate({name: 1})

        assert value.model_dump(by_alias=True) == {name: 1}
        assert list(model.model_json_schema()["properties"]) == [name]

    def test_a_required_property_that_is_not_described_takes_anything(self) -> None:
        model = schema_to_pydantic_model({"type": "object", "properties": {}, "required": ["a"]})

        assert model.model_validate({"a": [1]}).model_dump() == {"a": [1]}
        with pytest.raises(ValidationError):
            model.model_validate({})

    def test_what_is_not_described_is_dropped_kept_refused_or_checked(self) -> None:
        def model(**more: Any) -> type[BaseModel]:
            return schema_to_pydantic_model({"type": "object", "properties": {"a": {"type": "integer"}}, **more})

        given = {"a": 1, "b": "2"}

        assert model().model_validate(given).model_dump() == {"a": 1}
        assert model(additionalProperties=True).model_validate(given).model_dump() == given
        assert model(additionalProperties={"type": "integer"}).model_validate(given).model_dump() == {"a": 1, "b": 2}
        for strict in ({"additionalProperties": False}, {"unevaluatedProperties": False}):
            with pytest.raises(ValidationError, match="b"):
                model(**strict).model_validate(given)
        with pytest.raises(ValidationError, match="b"):
            model(additionalProperties={"type": "integer"}).model_validate({"a": 1, "b": "x"})

    def test_an_object_without_properties_is_a_dict(self) -> None:
        assert value_of({"type": "object"}, {"a": [1]}) == {"a": [1]}
        assert value_of({"type": "object", "additionalProperties": {"type": "integer"}}, {"a": "1"}) == {"a": 1}
        assert not takes({"type": "object", "maxProperties": 1}, {"a": 1, "b": 2})
        assert not takes({"type": "object", "additionalProperties": False}, {"a": 1})
        assert not takes({"type": "object", "patternProperties": {"^x": {}}}, {"a": 1})
        assert not takes({"type": "object", "propertyNames": {"enum": ["b"]}}, {"a": 1})

    def test_the_given_schema_stays_as_it_is(self) -> None:
        schema = {"allOf": [{"$ref": "#/$defs/A"}, {"required": ["a"]}], "$defs": {"A": {"properties": {"a": {}}}}}
        before = copy.deepcopy(schema)

        schema_to_pydantic_model(schema)

        assert schema == before


class TestReferences:
    def test_a_definition_is_one_class_wherever_it_is_used(self) -> None:
        node = {"type": "object", "properties": {"x": {"type": "integer"}}}
        model: Any = schema_to_pydantic_model(
            {
                "type": "object",
                "properties": {"a": {"$ref": "#/$defs/P"}, "b": {"$ref": "#/$defs/P", "description": "b"}},
                "required": ["a", "b"],
                "$defs": {"P": node},
            }
        )

        made = model.model_validate({"a": {"x": 1}, "b": {"x": 2}})

        assert type(made.a) is type(made.b)
        assert type(made.a).__name__ == "P"
        assert model.model_fields["b"].description == "b"

    @pytest.mark.parametrize(
        "reference", ["#/definitions/a~1b", "#/definitions/a%2Fb".replace("%2F", "~1"), "#/properties/given", "#/x/0"]
    )
    def test_a_reference_may_lead_anywhere_in_the_schema(self, reference: str) -> None:
        number = {"type": "integer"}
        schema = {
            "type": "object",
            "properties": {"given": number, "value": {"$ref": reference}},
            "definitions": {"a/b": number},
            "x": [number],
        }

        with pytest.raises(ValidationError, match="value"):
            schema_to_pydantic_model(schema).model_validate({"value": "word"})

    def test_a_definition_may_hold_itself(self) -> None:
        tree = {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "left": {"$ref": "#/$defs/Tree"},
                "others": {"type": "array", "items": {"$ref": "#/$defs/Tree"}, "default": []},
            },
            "required": ["value"],
        }
        model: Any = schema_to_pydantic_model({"$ref": "#/$defs/Tree", "$defs": {"Tree": tree}}, "Tree")

        made = model.model_validate({"value": 1, "left": {"value": 2}, "others": [{"value": 3, "left": {"value": 4}}]})

        assert type(made.left) is model
        assert made.others[0].left.value == 4
        with pytest.raises(ValidationError, match=r"others\.0\.left\.value"):
            model.model_validate({"value": 1, "others": [{"value": 3, "left": {}}]})

    def test_two_definitions_may_hold_each_other(self) -> None:
        def holding(other: str) -> dict[str, Any]:
            return {"type": "object", "properties": {"next": {"$ref": f"#/$defs/{other}"}, "n": {"type": "integer"}}}

        model: Any = schema_to_pydantic_model(
            {
                "type": "object",
                "properties": {"a": {"$ref": "#/$defs/A"}},
                "$defs": {"A": holding("B"), "B": holding("A")},
            }
        )

        made = model.model_validate({"a": {"next": {"next": {"n": "3"}}}})

        assert made.a.next.next.n == 3
        assert type(made.a.next.next) is type(made.a)

    def test_the_whole_schema_may_hold_itself(self) -> None:
        schema = {"type": "object", "properties": {"next": {"$ref": "#"}}, "additionalProperties": False}
        model: Any = schema_to_pydantic_model(schema, "Chain")

        assert type(model.model_validate({"next": {"next": {}}}).next.next) is model
        with pytest.raises(ValidationError, match=r"next\.last"):
            model.model_validate({"next": {"last": 1}})

    def test_a_definition_that_is_no_object_may_hold_itself(self) -> None:
        nested = {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"$ref": "#/$defs/N"}}]}
        model = schema_to_pydantic_model(
            {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}, "required": ["n"], "$defs": {"N": nested}}
        )

        assert model.model_validate({"n": [1, [2, []]]}).model_dump() == {"n": [1, [2, []]]}
        with pytest.raises(ValidationError):
            model.model_validate({"n": [["one"]]})

    def test_a_reference_with_demands_of_its_own_meets_both(self) -> None:
        schema = {
            "type": "object",
            "properties": {"n": {"$ref": "#/$defs/N", "maximum": 5}},
            "$defs": {"N": {"type": "integer", "minimum": 1}},
        }
        model = schema_to_pydantic_model(schema)

        model.model_validate({"n": 3})
        for bad in (0, 6):
            with pytest.raises(ValidationError):
                model.model_validate({"n": bad})

    @pytest.mark.parametrize("reference", ["#/$defs/Missing", "#/nowhere", "other.json#/A", "https://a.org/b.json"])
    def test_a_reference_to_nothing_is_named(self, reference: str) -> None:
        schema = {"type": "object", "properties": {"a": {"$ref": reference}}, "$defs": {"There": {}}}

        with pytest.raises(ReferenceNotFoundError, match=repr(reference)[1:-1].replace("$", r"\$")):
            schema_to_pydantic_model(schema)

    @pytest.mark.parametrize(
        "definitions",
        [{"A": {"$ref": "#/$defs/A"}}, {"A": {"$ref": "#/$defs/B"}, "B": {"allOf": [{"$ref": "#/$defs/A"}]}}],
    )
    def test_a_definition_that_is_nothing_but_itself_is_refused(self, definitions: dict[str, Any]) -> None:
        with pytest.raises(SchemaConversionError, match="itself"):
            schema_to_pydantic_model({"allOf": [{"$ref": "#/$defs/A"}, {"type": "object"}], "$defs": definitions})
        with pytest.raises(SchemaConversionError):
            schema_to_pydantic_model(
                {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": definitions}
            )


class TestTogether:
    def test_all_of_has_the_properties_of_every_part(self) -> None:
        base = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
        schema = {
            "allOf": [{"$ref": "#/$defs/Base"}, {"properties": {"b": {"type": "string"}}, "required": ["b"]}],
            "additionalProperties": False,
            "$defs": {"Base": base},
        }
        model = schema_to_pydantic_model(schema)

        assert list(model.model_fields) == ["a", "b"]
        assert model.model_validate({"a": 1, "b": "x"}).model_dump() == {"a": 1, "b": "x"}
        for bad in ({"a": 1}, {"b": "x"}, {"a": 1, "b": "x", "c": 1}):
            with pytest.raises(ValidationError):
                model.model_validate(bad)

    @pytest.mark.parametrize(
        ("one", "other", "good", "bad"),
        [
            ({"minimum": 1}, {"minimum": 3, "type": "integer"}, 3, 2),
            ({"type": "number"}, {"type": "integer"}, 3, 2.5),
            ({"type": ["string", "integer"]}, {"type": ["integer", "null"]}, 3, None),
            ({"multipleOf": 4}, {"multipleOf": 6, "type": "integer"}, 12, 8),
            ({"type": "string", "maxLength": 3}, {"maxLength": 2}, "ab", "abc"),
            ({"type": "string", "pattern": "a"}, {"pattern": "^b"}, "ba", "ab"),
            ({"enum": [1, 2]}, {"enum": [2, 3]}, 2, 1),
            ({"type": "array", "items": {"minimum": 1}}, {"items": {"type": "integer"}}, [1], [0]),
            ({"type": "array"}, {"uniqueItems": True}, [1, 2], [1, 1]),
            ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, {"anyOf": [{"type": "string"}]}, "a", [1]),
            ({"properties": {"x": {"minimum": 1}}}, {"properties": {"x": {"type": "integer"}}}, {"x": 1}, {"x": 0}),
            ({"additionalProperties": True}, {"additionalProperties": {"type": "integer"}}, {"x": 1}, {"x": "a"}),
        ],
    )
    def test_limits_of_both_parts_hold(self, one: Any, other: Any, good: Any, bad: Any) -> None:
        for parts in ([one, other], [other, one]):
            assert takes({"allOf": parts}, good)
            assert not takes({"allOf": parts}, bad)

    @pytest.mark.parametrize(
        ("one", "other"),
        [({"type": "string"}, {"type": "array"}), ({"enum": [1]}, {"enum": [2]}), ({"const": 1}, {"const": 2})],
    )
    def test_parts_that_nothing_fits_are_refused(self, one: Any, other: Any) -> None:
        with pytest.raises(SchemaConversionError, match=r"Model\.value: nothing"):
            of(value={"allOf": [one, other]})

    def test_parts_that_cannot_be_kept_both_are_refused(self) -> None:
        with pytest.raises(UnsupportedKeywordError, match="'format' twice"):
            of(value={"type": "string", "allOf": [{"format": "uri"}, {"format": "json"}]})
        with pytest.raises(UnsupportedKeywordError, match=r"multiples of 0\.5"):
            of(value={"type": "number", "allOf": [{"multipleOf": 0.5}, {"multipleOf": 2}]})

    @pytest.mark.parametrize("key", ["anyOf", "oneOf"])
    def test_a_choice_takes_what_any_variant_takes(self, key: str) -> None:
        schema = {key: [{"type": "integer"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}]}

        assert [value_of(schema, value) for value in (1, ["a"], None)] == [1, ["a"], None]
        assert not takes(schema, {"a": 1})

    def test_demands_beside_a_choice_hold_for_every_variant(self) -> None:
        schema = {
            "type": "object",
            "properties": {"mail": {"type": "string"}, "phone": {"type": "string"}},
            "anyOf": [{"required": ["mail"]}, {"required": ["phone"]}],
        }
        model = schema_to_pydantic_model(schema)

        for good in ({"mail": "a"}, {"phone": "1"}):
            assert model.model_validate(good).model_dump(exclude_none=True) == good
        for bad in ({}, {"mail": 1}):
            with pytest.raises(ValidationError):
                model.model_validate(bad)

    @pytest.mark.parametrize("mapped", [True, False])
    def test_a_discriminator_chooses_the_variant(self, mapped: bool) -> None:
        def pet(*more: str, **kind: Any) -> dict[str, Any]:
            return {
                "type": "object",
                "properties": {"kind": kind, "n": {"type": "integer"}},
                "required": ["kind", *more],
            }

        discriminator: dict[str, Any] = {"propertyName": "kind"}
        if mapped:
            discriminator["mapping"] = {"cat": "#/$defs/Cat", "dog": "#/$defs/Dog"}
            cat, dog = pet(const="cat"), pet("n", enum=["dog", "wolf"])
        else:
            cat, dog = pet(type="string"), pet("n", type="string")
        schema = {
            "type": "object",
            "properties": {
                "pet": {"oneOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}], "discriminator": discriminator}
            },
            "required": ["pet"],
            "$defs": {"Cat": cat, "Dog": dog},
        }
        names = ("cat", "dog") if mapped else ("Cat", "Dog")
        model: Any = schema_to_pydantic_model(schema)

        assert type(model.model_validate({"pet": {"kind": names[0]}}).pet).__name__ == "Cat"
        assert type(model.model_validate({"pet": {"kind": names[1], "n": 1}}).pet).__name__ == "Dog"
        with pytest.raises(ValidationError, match=rf"pet\.{names[1]}\.n"):
            model.model_validate({"pet": {"kind": names[1]}})
        with pytest.raises(ValidationError, match="'bird' found using 'kind'"):
            model.model_validate({"pet": {"kind": "bird"}})

    def test_a_mapping_gives_the_tag_of_variants_that_do_not_say_it(self) -> None:
        plain = {"type": "object", "properties": {"t": {"type": "string"}}}
        schema = {
            "oneOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}],
            "discriminator": {
                "propertyName": "t",
                "mapping": {"one": "#/$defs/A", "uno": "#/$defs/A", "two": "#/$defs/B"},
            },
            "$defs": {"A": plain, "B": plain},
        }
        model: Any = schema_to_pydantic_model(schema)

        assert {tag: type(model.model_validate({"t": tag}).root).__name__ for tag in ("one", "uno", "two")} == {
            "one": "A",
            "uno": "A",
            "two": "B",
        }


class TestValues:
    @pytest.mark.parametrize(
        ("schema", "good", "bad"),
        [
            ({"type": "string", "minLength": 2}, "ab", "a"),
            ({"type": "string", "maxLength": 1}, "a", "ab"),
            ({"type": "string", "pattern": "b+$"}, "abb", "ba"),
            ({"type": "string", "pattern": r"^(?!no).*(\w)\1"}, "book", "noo"),
            ({"type": "integer", "minimum": 2}, 2, 1),
            ({"type": "integer", "maximum": 2}, 2, 3),
            ({"type": "number", "exclusiveMinimum": 2}, 2.1, 2),
            ({"type": "number", "exclusiveMaximum": 2}, 1.9, 2),
            ({"type": "number", "minimum": 2, "exclusiveMinimum": True}, 2.1, 2),
            ({"type": "number", "maximum": 2, "exclusiveMaximum": False}, 2, 2.1),
            ({"type": "integer", "multipleOf": 3}, 6, 7),
            ({"type": "array", "minItems": 1}, [1], []),
            ({"type": "array", "maxItems": 1}, [1], [1, 2]),
            ({"type": "array", "uniqueItems": True, "items": {"type": "object"}}, [{"a": 1}, {}], [{"a": 1}, {"a": 1}]),
            ({"type": "array", "prefixItems": [{"type": "integer"}], "minItems": 1, "maxItems": 1}, [1], ["a"]),
            ({"type": "boolean"}, True, "perhaps"),
            ({"type": "null"}, None, 0),
            ({"minLength": 2}, "ab", "a"),
            ({"items": {"type": "integer"}}, [1], ["a"]),
            ({"maximum": 1}, 1, 2),
            ({"format": "date"}, "2024-01-31", "2024-02-31"),
            ({"type": ["integer", "null"], "minimum": 1}, None, 0),
            ({"type": "string", "nullable": True}, None, 1),
            ({"enum": ["a", 1, None]}, None, "b"),
            ({"enum": [[1], {"a": 2}]}, {"a": 2}, {"a": 3}),
            ({"const": "a"}, "a", "b"),
            ({"const": [1]}, [1], [2]),
        ],
    )
    def test_a_limit_lets_one_value_in_and_keeps_another_out(self, schema: dict[str, Any], good: Any, bad: Any) -> None:
        assert takes(schema, good)
        assert not takes(schema, bad)

    def test_what_says_nothing_takes_anything(self) -> None:
        for schema in ({}, {"title": "Whatever"}):
            assert value_of(schema, {"a": [1]}) == {"a": [1]}
        assert schema_to_pydantic_model({"type": "object", "properties": {"a": True}}).model_validate({"a": []})

    def test_an_enum_is_a_literal(self) -> None:
        annotation: Any = of(value={"type": "string", "enum": ["a", "b"]}).model_fields["value"].annotation

        assert annotation == Literal["a", "b"]

    @pytest.mark.parametrize(
        ("name", "text", "value", "bad"),
        [
            ("uuid", "12345678-1234-5678-1234-567812345678", UUID("12345678-1234-5678-1234-567812345678"), "1234"),
            (
                "uuid1",
                "5ff6dd64-2d11-11ef-9454-0242ac120002",
                UUID("5ff6dd64-2d11-11ef-9454-0242ac120002"),
                str(UUID(int=0)),
            ),
            ("uuid2", "12345678-1234-5678-1234-567812345678", UUID("12345678-1234-5678-1234-567812345678"), "1"),
            (
                "uuid3",
                "6fa459ea-ee8a-3ca4-894e-db77e160355e",
                UUID("6fa459ea-ee8a-3ca4-894e-db77e160355e"),
                str(UUID(int=0)),
            ),
            (
                "uuid4",
                "16fd2706-8baf-433b-82eb-8c7fada847da",
                UUID("16fd2706-8baf-433b-82eb-8c7fada847da"),
                str(UUID(int=0)),
            ),
            (
                "uuid5",
                "886313e1-3b8a-5372-9b90-0c9aee199e5d",
                UUID("886313e1-3b8a-5372-9b90-0c9aee199e5d"),
                str(UUID(int=0)),
            ),
            ("email", "ada.b+c@mail.example.org", "ada.b+c@mail.example.org", "ada@localhost"),
            ("hostname", "www.example.org", "www.example.org", "-a.org"),
            ("ipv4", "10.0.0.1", IPv4Address("10.0.0.1"), "10.0.0.256"),
            ("ipv6", "::1", IPv6Address("::1"), "10.0.0.1"),
            ("ipv6-network", "fe80::/64", IPv6Network("fe80::/64"), "fe80"),
            ("date-time", "2024-01-31T10:00:00Z", datetime.fromisoformat("2024-01-31T10:00:00+00:00"), "now"),
            ("date", "2024-01-31", date(2024, 1, 31), "2024-02-31"),
            ("time", "10:00:00", time(10), "25:00:00"),
            ("duration", "PT90S", timedelta(seconds=90), "long"),
            ("decimal", "1.10", Decimal("1.10"), "one"),
            ("byte", "aGk=", "aGk=", "*"),
            ("path", "/a/b", Path("/a/b"), 1),
            ("json", '{"a": 1}', '{"a": 1}', "{"),
            ("regex", "a+", "a+", "a("),
        ],
    )
    def test_a_format_is_checked_and_becomes_its_type(self, name: str, text: str, value: Any, bad: Any) -> None:
        schema = {"type": "string", "format": name}

        assert value_of(schema, text) == value
        assert not takes(schema, bad)
        assert of(value=schema).model_json_schema()["properties"]["value"] == schema | {"title": "Value"}

    def test_the_other_formats_of_texts(self) -> None:
        assert str(value_of({"type": "string", "format": "uri"}, "https://a.org/b")) == "https://a.org/b"
        assert not takes({"type": "string", "format": "uri"}, "no address")
        assert not takes({"type": "string", "format": "ipv4-network"}, "10.0.0.1/40")
        assert value_of({"type": "string", "format": "binary"}, "hi") == b"hi"
        assert value_of({"type": "string", "format": "password"}, "secret") == "secret"

    @pytest.mark.parametrize(
        ("kind", "name", "good", "bad"),
        [
            ("integer", "int32", 2**31 - 1, 2**31),
            ("integer", "int64", -(2**63), -(2**63) - 1),
            ("number", "float", 1.5, "a"),
            ("number", "double", 1.5, "a"),
            ("number", "decimal", 1.5, "a"),
        ],
    )
    def test_the_formats_of_numbers(self, kind: str, name: str, good: Any, bad: Any) -> None:
        assert value_of({"type": kind, "format": name}, good) == good
        assert not takes({"type": kind, "format": name}, bad)
        if name != "double" and kind == "number":
            assert json.loads(of(value={"type": kind, "format": name})(value=good).model_dump_json()) == {"value": good}

    def test_a_limit_and_a_format_hold_together(self) -> None:
        assert not takes({"type": "integer", "format": "int32", "minimum": 5}, 4)
        assert not takes({"type": "number", "format": "decimal", "minimum": 5}, 4)
        assert not takes({"type": "string", "format": "email", "maxLength": 8}, "ada@example.org")
        assert not takes({"type": "string", "format": "uri", "pattern": "^https:"}, "http://a.org")

    def test_a_password_is_sent_on_as_it_is(self) -> None:
        model = of(value={"type": "string", "format": "password"})

        assert model(value="secret").model_dump(mode="json") == {"value": "secret"}


class TestRefusals:
    def test_a_format_that_is_not_known_is_named(self) -> None:
        with pytest.raises(
            FormatNotSupportedError, match=r"Model\.a: the format 'shoe-size' is not known for .*'string'"
        ):
            of(a={"type": "string", "format": "shoe-size"})
        with pytest.raises(FormatNotSupportedError, match="known: none"):
            of(a={"type": "boolean", "format": "date"})

    @pytest.mark.parametrize("key", ["not", "if", "dependentRequired", "contains", "$dynamicRef"])
    def test_a_keyword_that_a_model_cannot_keep_is_named(self, key: str) -> None:
        with pytest.raises(
            UnsupportedKeywordError, match=rf"Model\.a: .* the keyword '\{key}'" if key[0] == "$" else key
        ):
            of(a={"type": "object", key: {}})

    @pytest.mark.parametrize(
        ("schema", "words"),
        [
            ({"type": "text"}, "no type is called 'text'"),
            (False, "nothing fits"),
            ([], r"\[\] is no schema"),
            ({"enum": []}, "the enum is empty"),
            ({"anyOf": []}, "anyOf has no variant"),
            ({"type": "string", "pattern": "("}, "no regular expression"),
            ({"type": "array", "prefixItems": [{}]}, "prefixItems needs minItems and maxItems of 1"),
            ({"type": "object", "properties": {}, "minProperties": 1}, "minProperties"),
            ({"type": "object", "properties": []}, "properties is"),
            ({"type": "integer", "minimum": "one"}, "pydantic refuses"),
            ({"const": 1, "enum": [2]}, "the const 1 is none of the enum"),
            ({"oneOf": [{"type": "object"}, {}], "discriminator": {"propertyName": "t"}}, "Give it a const for 't'"),
        ],
    )
    def test_what_is_malformed_is_named_with_its_place(self, schema: Any, words: str) -> None:
        with pytest.raises(SchemaConversionError, match=words) as caught:
            of(a=schema)
        assert str(caught.value).startswith(("Model.a", "Model: pydantic refuses"))

    def test_every_refusal_is_the_callers_turn(self) -> None:
        for error in (ReferenceNotFoundError, FormatNotSupportedError, UnsupportedKeywordError):
            assert issubclass(error, SchemaConversionError)
        assert issubclass(SchemaConversionError, UserError)


# Models at random, written as schemas and read again.


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Point(BaseModel):
    """A place."""

    x: int
    y: float = 0.5


class Circle(BaseModel):
    kind: Literal["circle"]
    centre: Point


class Square(BaseModel):
    kind: Literal["square", "box"] = "square"
    side: Annotated[int, Field(gt=0)]


class Tree(BaseModel):
    value: int
    children: list[Tree] = []


_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-5, 5),
    float: st.floats(-5, 5),
    bool: st.booleans(),
    str: st.text(max_size=4),
    Annotated[int, Field(ge=0, lt=4)]: st.integers(-2, 5),
    Annotated[float, Field(gt=0, multiple_of=0.5)]: st.sampled_from([-1, 0, 0.5, 0.7, 2]),
    Annotated[str, Field(min_length=1, max_length=2)]: st.text(max_size=3),
    Annotated[str, Field(pattern="^a")]: st.sampled_from(["a", "ab", "b", ""]),
    Literal["a", 2]: st.sampled_from(["a", "b", 2, 3]),
    Colour: st.sampled_from(["red", "blue", "green"]),
    datetime: st.sampled_from(["2024-01-31T10:00:00Z", "2024-01-31", "never"]),
    date: st.sampled_from(["2024-01-31", "2024-02-31"]),
    UUID: st.sampled_from([str(UUID(int=1)), "1"]),
    Point: st.fixed_dictionaries({"x": st.integers() | st.just("one")}, optional={"y": st.floats(0, 1)}),
    Tree: st.sampled_from([{"value": 1}, {"value": 1, "children": [{"value": 2}]}, {"value": 1, "children": [{}]}]),
    Annotated[Circle | Square, Field(discriminator="kind")]: st.sampled_from(
        [{"kind": "circle", "centre": {"x": 1}}, {"kind": "box", "side": 1}, {"kind": "square", "side": 0}, {"kind": 1}]
    ),
}
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)
_kinds = st.recursive(
    st.sampled_from(list(_PLAIN)),
    lambda inner: st.one_of(
        inner.map(lambda kind: list[kind]),  # type: ignore[valid-type]
        inner.map(lambda kind: Annotated[list[kind], Field(min_length=1, max_length=2)]),  # type: ignore[valid-type]
        inner.map(lambda kind: dict[str, kind]),  # type: ignore[valid-type]
        inner.map(lambda kind: Optional[kind]),  # noqa: UP045 - kinds are no types for an operator
        st.tuples(inner, inner).map(lambda kinds: Union[kinds]),  # noqa: UP007
        st.tuples(inner, inner).map(lambda kinds: tuple[kinds]),  # type: ignore[valid-type]
    ),
    max_leaves=4,
)


@st.composite
def _models(draw: st.DrawFn) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(["a", "b", "c_d", "schema", "x"]), unique=True, min_size=1, max_size=3)):
        kind = draw(_kinds)
        if draw(st.booleans()):
            words = draw(st.sampled_from(["words", "more of them"]))
            fields[name] = (Optional[kind], Field(None, description=words))  # noqa: UP045
        else:
            fields[name] = (kind, ...)
    config = ConfigDict(extra=draw(st.sampled_from(["ignore", "allow", "forbid"])), protected_namespaces=())
    base = type("Base", (BaseModel,), {"model_config": config, "__module__": __name__})
    return create_model("Random", __base__=base, **fields)


def _values(schema: Any, root: Any) -> st.SearchStrategy[Any]:
    """Return values that often fit a schema, and often nearly."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        known = {"Point": Point, "Tree": Tree, "Colour": Colour}
        if name in known:
            return _PLAIN[known[name]]
        return _values(root["$defs"][name], root)
    if "oneOf" in schema:
        return next(strategy for kind, strategy in _PLAIN.items() if "Circle" in str(kind))
    if "anyOf" in schema:
        return st.one_of([_values(part, root) for part in schema["anyOf"]])
    if "enum" in schema or "const" in schema:
        return st.sampled_from([*schema.get("enum", [schema.get("const")]), "other"])
    match schema.get("type"):
        case "array" if "prefixItems" in schema:
            return st.tuples(*(_values(part, root) for part in schema["prefixItems"])).map(list)
        case "array":
            return st.lists(_values(schema["items"], root), max_size=2)
        case "object" if "properties" not in schema:
            return st.dictionaries(st.text(max_size=2), _values(schema["additionalProperties"], root), max_size=2)
        case "string" if schema.get("format"):
            return st.sampled_from(["2024-01-31T10:00:00Z", "2024-01-31", "never", str(UUID(int=1))])
        case "string":
            return st.sampled_from(["", "a", "ab", "abc", "b", "7"])
        case "integer" | "number":
            return st.integers(-2, 5) | st.sampled_from([0.5, "2"])
        case "boolean":
            return st.booleans()
    return st.none()


def _plain(schema: Any) -> Any:
    """Return a schema with its references written out, and without titles."""

    def bare(node: Any, names: bool = False) -> Any:
        if isinstance(node, list):
            return [bare(item) for item in node]
        if not isinstance(node, dict):
            return node
        return {
            key: bare(value, names=key in ("properties", "$defs"))
            for key, value in node.items()
            if names or key not in ("title", "mapping")
        }

    return bare(inline_refs(schema))


def _reads(model: type[BaseModel], value: Any) -> Any:
    try:
        return model.model_validate(value).model_dump(mode="json", by_alias=True)
    except ValidationError:
        return "refused"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@pytest.mark.filterwarnings("ignore:Field name:UserWarning")
@given(data=st.data(), model=_models())
def test_a_model_written_and_read_again_takes_the_same_values(data: st.DataObject, model: type[BaseModel]) -> None:
    schema = model.model_json_schema(mode="validation")
    again = schema_to_pydantic_model(schema, "Random")

    assert _plain(again.model_json_schema()) == _plain(schema)
    for _ in range(5):
        value = {
            name: data.draw(_values(part, schema) | _JSON)
            for name, part in schema["properties"].items()
            if name in schema.get("required", ()) or data.draw(st.booleans())
        }
        if data.draw(st.integers(0, 4)) == 0:
            value["other"] = 1
        assert _reads(again, value) == _reads(model, value)
