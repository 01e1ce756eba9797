"""The shape of an answer: any type pydantic knows as a JSON schema to ask with and a check to read with."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from agents import AgentOutputSchemaBase, UserError
from agents.strict_schema import ensure_strict_json_schema
from pydantic import BaseModel, PydanticSchemaGenerationError, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUserError

from workflow_engine import errors

# Wires carry objects only, so a list or a union travels inside one.
_WRAP = "response"
_FENCED = re.compile(r"\s*```[\w-]*\n(.*?)\n?```\s*", re.DOTALL)


class Unfit(Exception):
    """The text is not an answer of the type; the message is written for the model that gave it."""


class Shape(AgentOutputSchemaBase):
    """An output type. The SDK only asks with it: reading is done by `read`, so that a bad answer can be asked again."""

    def __init__(self, output: Any) -> None:
        self._name = getattr(output, "__name__", None) or str(output)
        self._plain = output is str
        try:
            self._inner: TypeAdapter[Any] = TypeAdapter(output)
            schema = self._inner.json_schema()
            self._outer: type[BaseModel] | None = None
            if not self._plain and schema.get("type") != "object":
                self._outer = create_model("Answer", response=(output, ...))
                schema = self._outer.model_json_schema()
        except (PydanticSchemaGenerationError, PydanticUserError, NameError) as error:
            raise errors.AgentFailed(
                f"no model can be asked for a {self._name}: {error}".splitlines()[0],
                "take a type pydantic has a JSON schema for",
                kind="validation",
                retryable=False,
            ) from None
        try:
            self._schema = ensure_strict_json_schema(copy.deepcopy(schema))
            self._strict = True
        except (UserError, TypeError, ValueError, KeyError):
            # Free keys, for one, have no strict schema. The answer is checked here in any case.
            self._schema = schema
            self._strict = False

    def is_plain_text(self) -> bool:
        return self._plain

    def name(self) -> str:
        return self._name

    def json_schema(self) -> dict[str, Any]:
        return self._schema

    def is_strict_json_schema(self) -> bool:
        return self._strict

    def validate_json(self, json_str: str) -> Any:
        """Hands the text through; see `read`."""
        return json_str

    def read(self, text: str) -> Any:
        """The value; raises Unfit. A code fence around it, and a bare value where a wrapped one was asked, pass."""
        if self._plain:
            return text
        fenced = _FENCED.fullmatch(text)
        bare = fenced[1] if fenced else text
        try:
            if self._outer is None:
                return self._inner.validate_json(bare)
            return getattr(self._outer.model_validate_json(bare), _WRAP)
        except ValidationError as error:
            if self._outer is not None:
                try:
                    return self._inner.validate_json(bare)
                except ValidationError:
                    pass
            raise Unfit(_complaint(error)) from None
        except RecursionError:
            raise Unfit("the JSON is nested too deep") from None

    def rejected(self, why: str) -> str:
        """What a model is told whose answer was looked at and does not count."""
        form = "" if self._plain else ", with JSON alone, in the same form"
        return f"That answer was not accepted: {why}\nAnswer again{form}."

    def again(self, complaint: str) -> str:
        """What a model is told whose answer did not fit. The schema is repeated: some servers drop it on the way."""
        return (
            f"That answer does not fit: {complaint}\n"
            f"Answer again with JSON alone, no other text, that fits this schema:\n{json.dumps(self._schema)}"
        )


def _complaint(error: ValidationError) -> str:
    details = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [": ".join(filter(None, (".".join(map(str, detail["loc"])), detail["msg"]))) for detail in details[:8]]
    more = [f"and {len(details) - 8} more"] if len(details) > 8 else []
    return "; ".join(lines + more)
