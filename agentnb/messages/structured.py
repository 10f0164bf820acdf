"""Messages with a typed content, from a class or from a JSON schema."""

from __future__ import annotations

from string import Formatter
from typing import Any, Self

from pydantic import BaseModel

from agentnb.core import Component
from agentnb.core.arguments import require_model_class, require_text
from agentnb.exceptions import UserError
from agentnb.messages.chat import StructuredMessage


class StructuredMessageConfig(BaseModel, defer_build=True):
    """A factory as it is written."""

    json_schema: dict[str, Any]
    format_string: str | None = None
    content_model_name: str


class StructuredMessageFactory(Component[StructuredMessageConfig]):
    """Knows one class of contents, and the class of the messages that carry it.

    ```python
    factory = StructuredMessageFactory(input_model=Place, format_string="It is in {name}.")
    message = factory.StructuredMessage(content=Place(name="Oslo"), source="ana")
    ```

    Read from a config, the content's class is made anew from the schema.

    Args:
        json_schema: What the content looks like.
        input_model: Its class, which comes before the schema.
        format_string: Shapes the content's text, with a field's name in braces.
        content_model_name: The name of the class; default: `input_model`'s, or the schema's `title`.

    Attributes:
        ContentModel: The class of the content.
        StructuredMessage: The class of the messages.
        format_string: What was given.

    Raises:
        ValueError: If there is neither a schema nor a class, if the schema cannot be made a class, or if
            `format_string` has other fields than the content.
    """

    component_type = "structured_message"
    component_config_schema = StructuredMessageConfig

    def __init__(
        self,
        json_schema: dict[str, Any] | None = None,
        input_model: type[BaseModel] | None = None,
        format_string: str | None = None,
        content_model_name: str | None = None,
    ) -> None:
        if input_model is not None:
            require_model_class("The input_model", input_model)
            self.ContentModel = input_model
        elif json_schema is not None:
            from agentnb.core import schema_to_pydantic_model  # seldom used, and every program imports messages

            name = content_model_name or str(json_schema.get("title") or "GeneratedContentModel")
            self.ContentModel = schema_to_pydantic_model(json_schema, name)
        else:
            raise UserError("A StructuredMessageFactory needs json_schema or input_model: what the content looks like.")
        if format_string is not None and self.ContentModel.model_config.get("extra") != "allow":
            check_fields(format_string, set(self.ContentModel.model_fields), "format_string")
        self.StructuredMessage: type[StructuredMessage[Any]] = StructuredMessage[self.ContentModel]  # type: ignore[name-defined]
        self.format_string = format_string
        self._schema = json_schema if input_model is None else None
        self._name = content_model_name or self.ContentModel.__name__

    def _to_config(self) -> StructuredMessageConfig:
        return StructuredMessageConfig(
            json_schema=self._schema or self.ContentModel.model_json_schema(),
            format_string=self.format_string,
            content_model_name=self._name,
        )

    @classmethod
    def _from_config(cls, config: StructuredMessageConfig) -> Self:
        return cls(
            json_schema=config.json_schema,
            format_string=config.format_string,
            content_model_name=config.content_model_name,
        )


def check_fields(template: str, known: set[str], where: str) -> None:
    """Refuse, before anything is said, a text that cannot be formatted.

    Args:
        template: A text with fields in braces.
        known: The names of the fields there are.
        where: The argument it was given as, for errors.

    Raises:
        ValueError: If it is malformed, or has other fields.
        TypeError: If it is no text.
    """
    require_text(where, template)
    try:
        named = [field for _, field, _, _ in Formatter().parse(template) if field is not None]
    except ValueError as error:
        raise UserError(f"{where} is {template!r}: {error}. Write a brace that is no field twice: '{{{{'.") from error
    for field in named:
        root = field.partition(".")[0].partition("[")[0]
        if root not in known:
            raise UserError(
                f"{where} is {template!r}, and there is no field {root!r} (known: {', '.join(sorted(known))})."
            )
