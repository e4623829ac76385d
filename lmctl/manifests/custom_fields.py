"""`customFields` of a model.yaml: switches a model offers, and what each may do."""

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lmctl.base import custom_fields as told
from lmctl.manifests.envelope import Items, NativeNode, NonEmpty
from lmctl.manifests.settings_keys import CUSTOM_FIELD_PREFIX


class SetJinjaVariable(NativeNode):
    """Hands the value to the chat template."""

    type: Literal["setJinjaVariable"]
    """Kind of effect."""
    variable: NonEmpty
    """Name of the variable in the template."""

    def to_told(self) -> told.TemplateVariable:
        return told.TemplateVariable(self.variable)


class PrependSystemPrompt(NativeNode):
    """Puts words before the system prompt."""

    type: Literal["prependSystemPrompt"]
    """Kind of effect."""
    content: str
    """Words to put there while the switch is on."""

    def to_told(self) -> told.PromptWords:
        return told.PromptWords(self.content, before=True)


class AppendSystemPrompt(NativeNode):
    """Puts words after the system prompt."""

    type: Literal["appendSystemPrompt"]
    """Kind of effect."""
    content: str
    """Words to put there while the switch is on."""

    def to_told(self) -> told.PromptWords:
        return told.PromptWords(self.content, before=False)


AnyEffect = Annotated[
    SetJinjaVariable | PrependSystemPrompt | AppendSystemPrompt, Field(discriminator="type")
]


class _Field(NativeNode):
    key: NonEmpty
    """Name of the field, unique in the model."""
    display_name: str = ""
    """Name shown to people."""
    description: str = ""
    """What the field does, for people."""


class BooleanField(_Field):
    """A switch."""

    type: Literal["boolean"]
    """Kind of field."""
    default_value: bool = False
    """Value until someone chooses."""
    effects: Items[AnyEffect] = ()
    """What the value does."""


class StringField(_Field):
    """A text."""

    type: Literal["string"]
    """Kind of field."""
    default_value: str = ""
    """Value until someone chooses."""
    effects: Items[SetJinjaVariable] = ()
    """What the value does."""


class Option(NativeNode):
    """One choice of a select."""

    label: str
    """Words shown."""
    value: str
    """Value chosen."""


class SelectField(_Field):
    """A choice among options."""

    type: Literal["select"]
    """Kind of field."""
    options: Annotated[Items[Option], Field(min_length=1)]
    """What there is to choose."""
    default_value: str
    """Value until someone chooses; one of the options' values."""
    effects: Items[SetJinjaVariable] = ()
    """What the value does."""

    @model_validator(mode="after")
    def _default_is_an_option(self) -> Self:
        values = [each.value for each in self.options]
        if self.default_value not in values:
            raise ValueError(f"`defaultValue` expected one of the options: {', '.join(values)}")
        return self


class Slider(NativeNode):
    """How a number is shown."""

    min: float
    """Left end."""
    max: float
    """Right end."""
    step: Annotated[float, Field(gt=0)]
    """Width of a step."""


class NumberField(_Field):
    """A number."""

    type: Literal["number"]
    """Kind of field."""
    default_value: float
    """Value until someone chooses."""
    min: float | None = None
    """Smallest value."""
    max: float | None = None
    """Largest value."""
    whole: bool = Field(default=False, alias="int")
    """Whether only whole numbers are meant."""
    slider: Slider | None = None
    """How the number is shown."""
    effects: Items[SetJinjaVariable] = ()
    """What the value does."""

    @model_validator(mode="after")
    def _default_in_range(self) -> Self:
        low, high, value = self.min, self.max, self.default_value
        if low is not None and high is not None and low > high:
            raise ValueError(f"`min` {low:g} is larger than `max` {high:g}")
        if (low is not None and value < low) or (high is not None and value > high):
            raise ValueError(f"`defaultValue` {value:g} is not between `min` and `max`")
        if self.whole and not value.is_integer():
            raise ValueError(f"`defaultValue` expected a whole number, found {value:g}")
        return self


CustomField = Annotated[
    BooleanField | StringField | SelectField | NumberField, Field(discriminator="type")
]


def full_key(model: str, key: str) -> str:
    """Return the key under which settings hold the value of a model's custom field."""
    return f"{CUSTOM_FIELD_PREFIX}{model.replace('/', '.')}.{key}"


def to_told(field: CustomField, chain: Iterable[str]) -> told.CustomField:
    """Return a field as it is told to who acts on it; `chain` are the models that may name it, a
    child before what it is based on.
    """
    number = field if isinstance(field, NumberField) else None
    return told.CustomField(
        key=field.key,
        settings=tuple(full_key(model, field.key) for model in chain),
        kind=field.type,
        default=field.default_value,
        effects=tuple(each.to_told() for each in field.effects),
        options=tuple(e.value for e in field.options) if isinstance(field, SelectField) else (),
        least=number.min if number else None,
        most=number.max if number else None,
        whole=bool(number and number.whole),
    )
