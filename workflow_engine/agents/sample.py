"""A sample: the smallest readable JSON value that fits a schema, every field filled."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

Json = Any
Schema = Mapping[str, Any]

_BY_FORMAT = {
    "date": "2024-01-31",
    "date-time": "2024-01-31T09:30:00Z",
    "time": "09:30:00Z",
    "duration": "PT1H",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "somebody@example.com",
    "name-email": "Some Body <somebody@example.com>",
    "uri": "http://example.com/",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "ipv4network": "192.0.2.0/24",
    "ipv6network": "2001:db8::/32",
    "path": "a/file",
    "file-path": "a/file",
    "directory-path": "a",
    "json-string": "{}",
    "regex": ".*",
    "base64": "YQ==",
    "base64url": "YQ==",
}


class Impossible(Exception):
    """The schema asks for what is not guessed here, such as a string of some pattern."""


def sample(schema: Schema, name: str = "answer") -> Json:
    """A value for the schema; `name` becomes the text of strings. Raises Impossible."""
    return _Sampling(schema.get("$defs", {})).value(schema, name, ())


class _Sampling:
    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions

    def value(self, schema: Schema, name: str, inside: tuple[str, ...]) -> Json:
        """`inside` holds the definitions being filled: meeting one again means recursion, which must end here."""
        if "const" in schema:
            return schema["const"]
        if schema.get("default") is not None:
            return schema["default"]
        if schema.get("examples"):
            return schema["examples"][0]
        if "enum" in schema:
            return schema["enum"][0]
        if "$ref" in schema:
            key = _target(schema)
            if key in inside:
                raise Impossible(f"{key} contains itself")
            return self.value(self._definitions[key], name, (*inside, key))
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return self._one_of(schema[word], name, inside)
        if "allOf" in schema:
            merged: dict[str, Any] = {}
            for part in schema["allOf"]:
                merged |= part
            return self.value(merged, name, inside)
        kind = schema.get("type")
        if isinstance(kind, list):
            return self._one_of([{**schema, "type": each} for each in kind], name, inside)
        match kind:
            case "object":
                return self._object(schema, name, inside)
            case "array":
                return self._array(schema, name, inside)
            case "string":
                return _string(schema, name)
            case "integer" | "number":
                return _number(schema, whole=kind == "integer")
            case "boolean":
                return True
            case "null":
                return None
            case _:
                return name

    def _one_of(self, schemas: Sequence[Schema], name: str, inside: tuple[str, ...]) -> Json:
        """The first that can be filled; null only where nothing else can."""
        reason = Impossible("no alternative fits")
        for schema in sorted(schemas, key=lambda each: each.get("type") == "null"):
            try:
                return self.value(schema, name, inside)
            except Impossible as error:
                reason = error
        raise reason

    def _object(self, schema: Schema, name: str, inside: tuple[str, ...]) -> Json:
        filled: dict[str, Json] = {}
        required = schema.get("required", ())
        for key, member in schema.get("properties", {}).items():
            try:
                filled[key] = self.value(member, key, inside)
            except Impossible:
                # An optional field that cannot be guessed is left to its default.
                if key in required:
                    raise
        free = schema.get("additionalProperties")
        keys = schema.get("propertyNames", {})
        least = schema.get("minProperties", 0)
        shown = 1 if isinstance(free, dict) and not filled and schema.get("maxProperties", 1) else 0
        for number in range(len(filled), max(least, shown)):
            try:
                key = _nth(self.value(keys, name, inside) if keys else name, number)
                filled[key] = self.value(free, name, inside) if isinstance(free, dict) else name
            except Impossible:
                if number < least:
                    raise
        return filled

    def _array(self, schema: Schema, name: str, inside: tuple[str, ...]) -> Json:
        filled = [self.value(member, name, inside) for member in schema.get("prefixItems", ())]
        items = schema.get("items")
        if not isinstance(items, dict):
            return filled
        least = schema.get("minItems", 0)
        most = schema.get("maxItems", math.inf)
        # One member shows what members look like, where it can be made and may stand.
        for number in range(len(filled), max(least, min(1, most))):
            try:
                member = self.value(items, name, inside)
            except Impossible:
                if number < least:
                    raise
                break
            kind = self._definitions[_target(items)] if "$ref" in items else items
            filled.append(_varied(member, number, kind) if schema.get("uniqueItems") else member)
        return filled


def _target(schema: Schema) -> str:
    return str(schema["$ref"]).rsplit("/", 1)[-1].replace("~1", "/").replace("~0", "~")


def _string(schema: Schema, name: str) -> str:
    if "pattern" in schema:
        raise Impossible(f"a string matching {schema['pattern']}")
    if schema.get("contentMediaType") == "application/json":
        return json.dumps(sample(schema.get("contentSchema", {}), name))
    if schema.get("format") in _BY_FORMAT:
        return _BY_FORMAT[schema["format"]]
    least: int = schema.get("minLength", 0)
    most: int | None = schema.get("maxLength")
    text = name.replace("_", " ")
    text += "." * (least - len(text))
    return text if most is None else text[:most]


def _number(schema: Schema, *, whole: bool) -> float:
    step = schema.get("multipleOf", 1 if whole else None)
    low: float = schema.get("minimum", -math.inf)
    high: float = schema.get("maximum", math.inf)
    above: float = schema.get("exclusiveMinimum", -math.inf)
    below: float = schema.get("exclusiveMaximum", math.inf)

    def fits(number: float) -> bool:
        return low <= number <= high and above < number < below

    floor, ceiling = max(low, above), min(high, below)
    tries = [1, 0, floor, ceiling]
    if step:
        near = [math.ceil(edge / step) * step for edge in (floor, 1, ceiling) if math.isfinite(edge)]
        tries = [number + shift * step for number in (*near, 0) for shift in (0, 1, -1)]
    elif math.isfinite(floor) and math.isfinite(ceiling):
        tries.append((floor + ceiling) / 2)
    else:
        tries += [floor + 1, ceiling - 1]
    for number in tries:
        if math.isfinite(number) and fits(number):
            return int(number) if float(number).is_integer() else number
    raise Impossible(f"a number between {floor} and {ceiling}")


def _nth(text: Json, number: int) -> str:
    return str(text) if number == 0 else f"{text} {number + 1}"


def _varied(member: Json, number: int, items: Schema) -> Json:
    """Members of a set must differ."""
    if number == 0:
        return member
    if "enum" in items and number < len(items["enum"]):
        return items["enum"][number]
    match member:
        case bool():
            return not member
        case int() | float():
            return member + number * items.get("multipleOf", 1)
        case str():
            return _nth(member, number)
        case _:
            raise Impossible("members that differ")
