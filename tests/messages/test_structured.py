"""Messages with a typed content, from a class or from a schema."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from agentnb.core import ComponentModel
from agentnb.exceptions import UserError
from agentnb.messages import MessageFactory, StructuredMessage, StructuredMessageFactory


class Place(BaseModel):
    name: str
    country: str | None = None


class Forecast(BaseModel):
    place: Place
    sky: Literal["clear", "cloudy"]
    degrees: list[float]


def test_a_class_gives_the_messages_that_carry_it() -> None:
    factory = StructuredMessageFactory(input_model=Forecast, format_string="{sky} in {place[name]}")
    message = factory.StructuredMessage(
        content=Forecast(place=Place(name="Oslo"), sky="clear", degrees=[4]),
        format_string=factory.format_string,
        source="ana",
    )

    assert factory.ContentModel is Forecast
    assert factory.StructuredMessage is StructuredMessage[Forecast]
    assert message.type == "StructuredMessage[Forecast]"
    assert message.to_text() == "clear in Oslo"


def test_a_schema_gives_a_class_that_takes_the_same_contents() -> None:
    factory = StructuredMessageFactory(json_schema=Forecast.model_json_schema())
    content = {"place": {"name": "Oslo", "country": None}, "sky": "clear", "degrees": [4.0]}

    assert factory.ContentModel.__name__ == "Forecast"
    assert factory.ContentModel.model_validate(content).model_dump() == content
    with pytest.raises(ValueError, match="sky"):
        factory.ContentModel.model_validate({**content, "sky": "green"})


def test_the_class_of_a_schema_has_the_name_it_is_given() -> None:
    factory = StructuredMessageFactory(json_schema=Place.model_json_schema(), content_model_name="Where")

    assert factory.StructuredMessage.__name__ == "StructuredMessage[Where]"


@pytest.mark.parametrize("format_string", [None, "{sky}"])
def test_a_factory_is_written_as_a_schema_and_made_again(format_string: str | None) -> None:
    factory = StructuredMessageFactory(input_model=Forecast, format_string=format_string)
    written = factory.dump_component()
    made = StructuredMessageFactory.load_component(json.loads(written.model_dump_json()))

    assert (written.provider, written.component_type, written.component_version) == (
        "agentnb.messages.StructuredMessageFactory",
        "structured_message",
        1,
    )
    assert written.config["json_schema"] == Forecast.model_json_schema()
    assert written.config["content_model_name"] == "Forecast"
    assert written.config.get("format_string") == format_string
    assert made.dump_component() == written
    assert made.ContentModel is not Forecast


def test_autogens_json_of_a_factory_is_read() -> None:
    made: Any = StructuredMessageFactory.load_component(
        ComponentModel(
            provider="autogen_agentchat.messages.StructuredMessageFactory",
            component_type="structured_message",
            version=1,
            component_version=1,
            config={
                "json_schema": Place.model_json_schema(),
                "format_string": "{name}",
                "content_model_name": "Place",
            },
        )
    )

    assert made.StructuredMessage(content=made.ContentModel(name="Oslo"), source="a", format_string="{name}").to_text()
    assert made.format_string == "{name}"


def test_messages_of_a_made_class_come_back_through_the_message_factory() -> None:
    kind = StructuredMessageFactory(json_schema=Place.model_json_schema()).StructuredMessage
    messages = MessageFactory()
    messages.register(kind)
    message = StructuredMessage[Place](content=Place(name="Oslo"), source="ana")
    again = messages.create(json.loads(json.dumps(message.dump())))

    assert type(again) is kind
    assert again.dump() == message.dump()


def test_a_factory_of_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="needs json_schema or input_model"):
        StructuredMessageFactory()


@pytest.mark.parametrize(
    ("format_string", "says"),
    [
        ("{town}", "no field 'town' (known: country, name)"),
        ("{}", "no field ''"),
        ("{name", "expected '}'"),
        ("}", "Single '}'"),
    ],
)
def test_a_format_that_can_never_be_filled_in_is_refused_at_once(format_string: str, says: str) -> None:
    with pytest.raises(UserError) as caught:
        StructuredMessageFactory(input_model=Place, format_string=format_string)
    assert says in str(caught.value)


def test_a_schema_without_a_title_makes_a_class_of_autogens_name() -> None:
    schema = {"type": "object", "properties": {"mass": {"type": "number"}}}

    assert StructuredMessageFactory(json_schema=schema).ContentModel.__name__ == "GeneratedContentModel"
    assert StructuredMessageFactory(json_schema={**schema, "title": "Bird"}).ContentModel.__name__ == "Bird"
