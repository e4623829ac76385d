"""What settings say of the chat template a conversation is rendered with."""

from typing import Any

import msgspec


class TemplateOverride(msgspec.Struct, frozen=True, omit_defaults=True):
    """`text` takes the place of the model's own template, empty for none; `variables` are for the
    template where the call itself says nothing of them.
    """

    text: str = ""

    variables: dict[str, Any] = {}
