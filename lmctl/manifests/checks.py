"""What an instance must show before it serves: questions, and what good answers look like."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from lmctl.base.json_schema import fault
from lmctl.manifests.envelope import Node, NonEmpty


class Expectation(Node):
    """What an answer must look like: one of the two."""

    regex: NonEmpty | None = None
    """Regular expression (Python's) that must be found in the answer."""
    json_schema: Mapping[str, Any] | None = None
    """JSON Schema (2020-12) the answer, read as JSON, must fit."""

    @field_validator("regex")
    @classmethod
    def _compiles(cls, regex: str | None) -> str | None:
        try:
            re.compile(regex or "")
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return regex

    @field_validator("json_schema")
    @classmethod
    def _is_a_schema(cls, schema: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        if schema is not None and (why := fault(schema)):
            raise ValueError(f"not a JSON Schema: {why}")
        return schema

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.regex is None) == (self.json_schema is None):
            raise ValueError(
                "give one of `regex` and `jsonSchema`; leave `expect` out for any answer"
            )
        return self


class Check(Node):
    """A question the instance must answer well before it serves."""

    prompt: NonEmpty
    """The question."""
    expect: Expectation | None = None
    """What the answer must look like; any answer will do if left out."""
    max_seconds: Annotated[float, Field(gt=0)] = 30.0
    """How long it may take, in seconds."""
