"""JSON schemas as pydantic models."""

from __future__ import annotations

import itertools
import keyword
import re
import types
from collections.abc import Mapping
from typing import Annotated, Any, ForwardRef, Literal, Optional, TypeGuard, Union
from urllib.parse import unquote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PydanticUserError, RootModel, create_model
from pydantic_core import SchemaError

from agentnb.core.allof import ANNOTATIONS, NothingFits, both
from agentnb.core.formats import FORMATS
from agentnb.core.limits import PLAIN, Says, limited, matching, one_of, scalar, without_repetition
from agentnb.core.schema import field_name, make_model
from agentnb.exceptions import ReferenceNotFoundError, SchemaConversionError, UnsupportedKeywordError

# Made of what is known only when a schema is read.
_union: Any = Union
_optional: Any = Optional

# The keywords that tell the type of a schema that does not name it.
_TELLTALES = {
    "object": "properties additionalProperties patternProperties propertyNames required minProperties maxProperties",
    "array": "items prefixItems minItems maxItems uniqueItems",
    "string": "minLength maxLength pattern",
    "number": "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf",
}

_UNSUPPORTED = (
    *("not", "if", "then", "else", "contains", "minContains", "maxContains"),
    *("dependentRequired", "dependentSchemas", "dependencies", "unevaluatedItems", "$dynamicRef", "$recursiveRef"),
)


def schema_to_pydantic_model(schema: Mapping[str, Any], model_name: str = "GeneratedModel") -> type[BaseModel]:
    """Make a pydantic model that takes what a JSON schema describes.

    References (`#`, `#/$defs/…`, any path within the schema; recursive too), `allOf`, `anyOf` and `oneOf` with
    `discriminator`, `enum`, `const`, nested objects, arrays, limits, formats, lists of types, `nullable` and
    `additionalProperties` are kept. A property that may be left out and has no default is None then. Where a
    keyword goes unsaid, values are converted as pydantic does it: "1" is a number, and undeclared properties are
    dropped.

    Args:
        schema: The schema; it stays as it is.
        model_name: The name of the class. A schema of no object gives a `RootModel`.

    Raises:
        ReferenceNotFoundError: If a `$ref` points to nothing in the schema.
        FormatNotSupportedError: If a `format` is not known for its type.
        UnsupportedKeywordError: If the schema uses what a model cannot keep, such as `not`.
        SchemaConversionError: If it is malformed, or demands what nothing can fit.
    """
    return _Conversion(schema, model_name).model()


class _Conversion:
    """One schema on its way to a model."""

    def __init__(self, root: Mapping[str, Any], name: str) -> None:
        self._root = root
        self._name = name
        self._found: dict[str, Any] = {}
        """Types by reference."""
        self._open: dict[str, str] = {}
        """The references whose types are being made, with the names that stand for them until then."""
        self._names: dict[str, Any] = {}
        """What those names stand for."""
        self._models: list[type[BaseModel]] = []
        self._numbers = itertools.count()

    def model(self) -> type[BaseModel]:
        found = self._reference("#")
        made: type[BaseModel] = found if _is_model(found) else self._rooted(self._name, found)
        if made.__name__ != self._name:
            made = self._keep(create_model(self._name, __base__=made, __doc__=made.__doc__))
        try:
            for model in (*self._models, *self._models):
                # A model that holds one that comes later is complete in the second round.
                if not model.__pydantic_complete__:
                    model.model_rebuild(_types_namespace=self._names, raise_errors=False)
            made.model_rebuild(_types_namespace=self._names)
        except (PydanticUserError, SchemaError, TypeError) as error:
            raise SchemaConversionError(f"{self._name}: pydantic refuses the model: {error}") from error
        return made

    def _keep(self, model: type[BaseModel]) -> type[BaseModel]:
        self._models.append(model)
        return model

    def _rooted(self, name: str, kind: Any) -> type[BaseModel]:
        root: Any = RootModel
        return self._keep(create_model(name, __base__=root[kind]))

    # References

    def _target(self, reference: str) -> Any:
        if not reference.startswith("#"):
            raise ReferenceNotFoundError(
                f"The reference {reference!r} leads out of the schema; put what it names into $defs."
            )
        node: Any = self._root
        for step in reference[1:].split("/")[1:]:
            step = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(node, Mapping) and step in node:
                node = node[step]
            elif isinstance(node, list) and step.isdigit() and int(step) < len(node):
                node = node[int(step)]
            else:
                known = [*self._root.get("$defs", {}), *self._root.get("definitions", {})]
                raise ReferenceNotFoundError(
                    f"The reference {reference!r} points to nothing in the schema "
                    f"(it defines: {', '.join(map(repr, known)) or 'nothing'})."
                )
        return node

    def _reference(self, reference: str) -> Any:
        if reference in self._found:
            return self._found[reference]
        if reference in self._open:
            # It holds itself: a name stands for it until it is made.
            self._open[reference] = self._open[reference] or f"Held{next(self._numbers)}"
            return ForwardRef(self._open[reference])
        last = unquote(reference.rpartition("/")[2])
        name = self._name if reference == "#" else _class_name(last)
        self._open[reference] = ""
        made = self._type(self._target(reference), name, is_root=reference == "#")
        alias = self._open.pop(reference)
        if alias:
            if getattr(getattr(made, "__origin__", made), "__forward_arg__", "") == alias:
                raise SchemaConversionError(f"{name}: {reference!r} demands itself; nothing can be made of it.")
            if not _is_model(made):
                made = self._rooted(name, made)
            self._names[alias] = made
        self._found[reference] = made
        return made

    def _flat(self, schema: Any, where: str, trail: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return a schema without `allOf`, and without `$ref` unless that is all there is to it."""
        if schema is True:
            return {}
        if schema is False:
            raise UnsupportedKeywordError(f"{where}: the schema is false, which nothing fits; leave it out.")
        if not isinstance(schema, Mapping):
            raise SchemaConversionError(f"{where}: {schema!r:.80} is no schema; a schema is an object.")
        parts = list(schema.get("allOf", ()))
        rest = {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}
        if "$ref" in schema:
            parts.insert(0, {"$ref": schema["$ref"]})
        said = set(rest) <= ANNOTATIONS
        if len(parts) == 1 and said and isinstance(parts[0], Mapping) and set(parts[0]) == {"$ref"}:
            return {**rest, **parts[0]}
        for part in parts:
            flat = self._flat(part, where, trail)
            while "$ref" in flat:
                if flat["$ref"] in trail:
                    raise SchemaConversionError(f"{where}: {flat['$ref']!r} demands itself; nothing can be made of it.")
                trail = (*trail, flat["$ref"])
                flat = self._flat(self._target(flat["$ref"]), where, trail)
            rest = both(rest, {key: value for key, value in flat.items() if key != "title"}, where)
        return rest

    # Types

    def _type(self, schema: Any, where: str, *, is_root: bool = False) -> Any:
        """Return the type of a schema, with what it says of itself as annotations."""
        schema = self._flat(schema, where)
        if "$ref" in schema:
            return _described(self._reference(schema["$ref"]), schema)
        for key in _UNSUPPORTED:
            if key in schema:
                raise UnsupportedKeywordError(f"{where}: a model cannot keep the keyword {key!r}; leave it out.")
        if schema.get("nullable") is True:
            return _optional[self._type({**schema, "nullable": False}, where)]
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return _described(self._union(schema, key, where), schema)
        if "const" in schema or "enum" in schema:
            return _described(one_of(schema, where), schema)
        kind = schema.get("type", _told(schema))
        if kind is None:
            return _described(Any, schema)
        if not isinstance(kind, str):
            return _union[tuple(self._type({**schema, "type": name}, f"{where}.{name}") for name in kind)]
        match kind:
            case "object":
                return self._object(schema, where, is_root=is_root)
            case "array":
                made = self._array(schema, where)
            case _ if kind in PLAIN:
                made = scalar(schema, kind, where)
            case _:
                raise UnsupportedKeywordError(
                    f"{where}: no type is called {kind!r} (known: 'object', 'array', {', '.join(map(repr, PLAIN))})."
                )
        return _described(made, schema)

    def _union(self, schema: dict[str, Any], key: str, where: str) -> Any:
        rest = {name: value for name, value in schema.items() if name not in (key, "discriminator", *ANNOTATIONS)}
        tag = schema.get("discriminator")
        tag = tag.get("propertyName") if isinstance(tag, Mapping) else tag
        members = []
        for number, variant in enumerate(schema[key], 1):
            named = f"{where}.{number}"
            try:
                flat = self._flat(variant, named)
                target = self._flat(self._target(flat["$ref"]), named) if "$ref" in flat else flat
                demands = [rest] if rest and (set(rest) != {"type"} or target.get("type") != rest["type"]) else []
                if tag is not None and not _tags(target, tag):
                    demands.append(_tagged(schema, tag, flat.get("$ref", ""), named))
                if "$ref" in flat and demands:
                    named = _class_name(flat["$ref"].rpartition("/")[2])
                chosen = self._flat({"allOf": [flat, *demands]}, named) if demands else flat
            except NothingFits:
                continue  # of the variants and demands that meet here, not every pair goes together
            members.append(self._type(chosen, named))
        if not members:
            raise NothingFits(f"{where}: {key} has no variant that anything could fit.")
        union = _union[tuple(members)]
        return Annotated[union, Field(discriminator=field_name(tag))] if tag and len(members) > 1 else union

    def _array(self, schema: dict[str, Any], where: str) -> Any:
        items = schema.get("items", True)
        first = schema.get("prefixItems", items if isinstance(items, list) else None)
        if first is not None:
            if not schema.get("minItems") == len(first) == schema.get("maxItems", len(first)):
                raise UnsupportedKeywordError(
                    f"{where}: prefixItems needs minItems and maxItems of {len(first)}; other lengths cannot be kept."
                )
            return tuple[tuple(self._type(item, f"{where}.{i}") for i, item in enumerate(first))]  # type: ignore[misc]
        made: Any = list[self._type(items, f"{where}.item")]  # type: ignore[misc]
        made = limited(made, schema, "array")
        if schema.get("uniqueItems"):
            made = Annotated[made, AfterValidator(without_repetition), Says({"uniqueItems": True})]
        return made

    def _object(self, schema: dict[str, Any], where: str, *, is_root: bool) -> Any:
        others = schema.get("additionalProperties", schema.get("unevaluatedProperties"))
        if not is_root and "properties" not in schema and not schema.get("required") and others is not False:
            return _described(limited(self._mapping(schema, others, where), schema, "object"), schema)
        if "patternProperties" in schema and not is_root and "properties" not in schema:
            return _described(limited(self._mapping(schema, others, where), schema, "object"), schema)
        for key in ("patternProperties", "propertyNames", "minProperties", "maxProperties"):
            if key in schema:
                raise UnsupportedKeywordError(f"{where}: a model with properties cannot keep the keyword {key!r}.")
        properties = schema.get("properties", {})
        if not isinstance(properties, Mapping):
            raise SchemaConversionError(f"{where}: properties is {properties!r:.80}; it must be an object.")
        required = list(schema.get("required", ()))
        fields = {key: self._field(part, f"{where}.{key}", key in required) for key, part in properties.items()}
        for key in required:
            fields.setdefault(key, (Any, {"default": ...}))
        config = ConfigDict(protected_namespaces=(), title=schema.get("title"))
        if any(field_name(key) != key for key in fields):
            config["serialize_by_alias"] = True
        namespace: dict[str, Any] = {"__module__": __name__, "model_config": config}
        if others is False:
            config["extra"] = "forbid"
        elif others is not None:
            config["extra"] = "allow"
            if others is not True and others != {}:
                kind = self._type(others, f"{where}.value")
                namespace["__annotations__"] = {"__pydantic_extra__": dict[str, kind]}  # type: ignore[valid-type]
        name = _class_name(where)
        base: Any = types.new_class(name, (BaseModel,), {}, lambda body: body.update(namespace))
        try:
            return self._keep(make_model(name, fields, base=base, doc=schema.get("description")))
        except (PydanticUserError, SchemaError, TypeError, NameError) as error:
            raise SchemaConversionError(f"{where}: pydantic refuses the model: {error}") from error

    def _mapping(self, schema: dict[str, Any], others: Any, where: str) -> Any:
        keys: Any = str
        if "patternProperties" in schema:
            patterns = schema["patternProperties"]
            if len(patterns) != 1 or others not in (None, False) or "propertyNames" in schema:
                raise UnsupportedKeywordError(f"{where}: a model keeps only one pattern of patternProperties, alone.")
            [(pattern, others)] = patterns.items()
            keys = Annotated[(str, *matching(pattern, where))]
        elif "propertyNames" in schema:
            keys = self._type({"type": "string", **self._flat(schema["propertyNames"], where)}, f"{where}.key")
        values = Any if others is None else self._type(others, f"{where}.value")
        return dict[keys, values]  # type: ignore[valid-type]

    def _field(self, schema: Any, where: str, required: bool) -> tuple[Any, dict[str, Any]]:
        flat = self._flat(schema, where)
        said = {
            key: flat.pop(key) for key in ("title", "description", "examples") if key in flat and "$ref" not in flat
        }
        if "$ref" in flat:
            said = {key: flat[key] for key in ("title", "description", "examples") if key in flat}
        default = flat.pop("default", ... if required else None)
        made = self._type({"$ref": flat["$ref"]} if "$ref" in flat else flat, where)
        if default is None and not _takes_none(made):
            made = _optional[made]
        options = said | {"default": default}
        if isinstance(default, dict | list) or "format" in flat:
            options["validate_default"] = True
        return made, options


def _is_model(made: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(made, type) and issubclass(made, BaseModel)


def _class_name(where: str) -> str:
    name = re.sub(r"\W+", "_", where).strip("_")
    return name if name.isidentifier() and not keyword.iskeyword(name) else f"Model_{name}"


def _told(schema: Mapping[str, Any]) -> str | None:
    """Return the type that the keywords of a schema tell."""
    for name, telltales in _TELLTALES.items():
        if any(key in schema for key in telltales.split()):
            return name
    if "format" not in schema:
        return None
    return next((name for name, formats in FORMATS.items() if schema["format"] in formats), "string")


def _takes_none(annotation: Any) -> bool:
    """Whether an annotation has None as one of its choices already."""
    inner = getattr(annotation, "__origin__", None)
    if hasattr(annotation, "__metadata__"):
        return _takes_none(inner)
    choices = getattr(annotation, "__args__", ()) if inner is Union or inner is Literal else ()
    return annotation in (Any, None, type(None)) or any(_takes_none(choice) for choice in choices)


def _described(made: Any, schema: Mapping[str, Any]) -> Any:
    """Add to a type what its schema says beside what it demands."""
    said = {key: schema[key] for key in ("title", "description") if key in schema}
    more = {key: schema[key] for key in schema if key in _SHOWN or key.startswith("x-")}
    if _is_model(made) and "$ref" not in schema:
        return made  # it has its own
    notes = ([Field(**said)] if said else []) + ([Says(more)] if more else [])
    return Annotated[(made, *notes)] if notes else made


_SHOWN = ANNOTATIONS - {
    "title",
    "description",
    "default",
    "$comment",
    "$schema",
    "$id",
    "$anchor",
    "$defs",
    "definitions",
}


def _tags(schema: Mapping[str, Any], tag: str) -> bool:
    """Whether a variant says by which values of the tag it is known."""
    own = schema.get("properties", {}).get(tag, {})
    return isinstance(own, Mapping) and ("const" in own or "enum" in own)


def _tagged(schema: Mapping[str, Any], tag: str, reference: str, where: str) -> dict[str, Any]:
    """Return the demand that a variant's tag has the value its discriminator maps to it, by default its name."""
    discriminator = schema["discriminator"]
    mapping = discriminator.get("mapping", {}) if isinstance(discriminator, Mapping) else {}
    name = reference.rpartition("/")[2]
    values = [value for value, target in mapping.items() if target in (reference, name)] or [name]
    if not any(values):
        raise SchemaConversionError(
            f"{where}: a variant does not say by which {tag!r} it is known. Give it a const for {tag!r}."
        )
    return {"properties": {tag: {"enum": values}}, "required": [tag]}
