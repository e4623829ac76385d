"""What settings say of the chat template a conversation is rendered with."""

from typing import Any

import msgspec


class TemplateOverride(msgspec.Struct, frozen=True, omit_defaults=True):
    """`variables` are for the template where the call itself says nothing of them."""

    variables: dict[str, Any] = {}
