"""The fields by which clients of the OpenAI family ask for a constrained answer.

`response_format` is OpenAI's (contract 1.14); `grammar` and `json_schema` are llama.cpp's, and
`structured_outputs` and `guided_*` vLLM's, for clients that were written for those servers.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from lmctl.base import talk
from lmctl.base.errors import BadRequest

Schema = dict[str, Any] | bool
Syntax = Literal["gbnf", "lark"]
Choices = Annotated[tuple[str, ...], Field(min_length=1)]
_Model = ConfigDict(strict=True, frozen=True)


class JsonSchemaFormat(BaseModel):
    """`response_format.json_schema`. `strict` is read and changes nothing: schemas are kept to."""

    model_config = _Model

    name: str | None = None
    schema_: Schema | None = Field(default=None, alias="schema")
    strict: bool | Literal["true", "false"] | None = None


class ResponseFormat(BaseModel):
    """`response_format`; `schema` beside `json_object` is llama.cpp's."""

    model_config = _Model

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchemaFormat | None = None
    schema_: Schema | None = Field(default=None, alias="schema")

    def to_talk(self) -> talk.Constraint | None:
        """Return what it asks for in our own words. Raises BadRequest."""
        if self.type == "text":
            return None
        if self.type == "json_object":
            return talk.JsonDocument(self.schema_)
        if self.json_schema is None or self.json_schema.schema_ is None:
            raise BadRequest(
                "`response_format.json_schema.schema` is required",
                param="response_format.json_schema.schema",
            )
        return talk.JsonDocument(self.json_schema.schema_)


class StructuredOutputs(BaseModel):
    """vLLM's `structured_outputs`: one of these."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    json_: Schema | None = Field(default=None, alias="json")
    json_object: bool | None = None
    regex: str | None = None
    choice: Choices | None = None
    grammar: str | None = None

    def named(self) -> Iterator[tuple[str, talk.Constraint]]:
        """Yield what is asked for in our own words, each with its field."""
        if self.json_ is not None:
            yield "json", talk.JsonDocument(self.json_)
        if self.json_object:
            yield "json_object", talk.JsonDocument()
        if self.regex is not None:
            yield "regex", talk.Pattern(self.regex)
        if self.choice is not None:
            yield "choice", talk.OneOf(self.choice)
        if self.grammar is not None:
            yield "grammar", grammar(self.grammar)


class StructuredFields(BaseModel):
    """The fields themselves, for a request body to have."""

    model_config = _Model

    response_format: ResponseFormat | None = None
    grammar: str | None = None
    json_schema: Schema | None = None
    structured_outputs: StructuredOutputs | None = None
    guided_json: Schema | None = None
    guided_regex: str | None = None
    guided_choice: Choices | None = None
    guided_grammar: str | None = None

    def constraint(self) -> talk.Constraint | None:
        """Return what the answer is to be held to. Raises BadRequest when two fields say it."""
        found = dict(self._asked())
        if len(found) > 1:
            names = " and ".join(f"`{name}`" for name in found)
            raise BadRequest(f"{names} both constrain the answer; send one", param=[*found][1])
        return next(iter(found.values()), None)

    def _asked(self) -> Iterator[tuple[str, talk.Constraint]]:
        form = self.response_format.to_talk() if self.response_format is not None else None
        if form is not None:
            yield "response_format", form
        if self.json_schema is not None:
            yield "json_schema", talk.JsonDocument(self.json_schema)
        if self.grammar:
            yield "grammar", grammar(self.grammar)
        if self.structured_outputs is not None:
            for name, asked in self.structured_outputs.named():
                yield f"structured_outputs.{name}", asked
        guided = StructuredOutputs(
            json=self.guided_json,
            regex=self.guided_regex,
            choice=self.guided_choice,
            grammar=self.guided_grammar,
        )
        for name, asked in guided.named():
            yield f"guided_{name}", asked


def grammar(text: str) -> talk.Grammar:
    """Return a grammar in whichever of the two notations it is: GBNF defines rules by `::=`."""
    return talk.Grammar(text, "gbnf" if "::=" in text else "lark")
