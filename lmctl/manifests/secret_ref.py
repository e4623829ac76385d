"""Where a secret is found; secrets themselves never stand in a manifest."""

import posixpath
from typing import Annotated, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from lmctl.manifests.envelope import Items, Node, NonEmpty

VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
CredentialName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]


class SecretRef(Node):
    """Where a secret is found: one of the four."""

    env: VariableName | None = None
    """Environment variable of the daemon that holds it."""
    file: NonEmpty | None = None
    """File that holds it and that others cannot read: absolute, starting with `~/`, or relative to
    the folder of this manifest."""
    command: Annotated[Items[NonEmpty], Field(min_length=1)] | None = None
    """Program that prints it, with its arguments; no shell, ten seconds."""
    credential: CredentialName | None = None
    """Name of a systemd credential (`LoadCredential=`)."""

    @field_validator("file")
    @classmethod
    def _from_here(cls, file: str | None, info: ValidationInfo) -> str | None:
        """Join a relative path to the manifest's folder, as sources of weights do."""
        if file is None or file.startswith(("/", "~")):
            return file
        folder = (info.context or {}).get("folder", "")
        return posixpath.normpath(posixpath.join(folder, file))

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(f"`{each}`" for each in given) or "none"
            raise ValueError(
                f"give exactly one of `env`, `file`, `command` and `credential`, found {found}"
            )
        return self

    def __str__(self) -> str:
        """Return where the secret is found, in words."""
        if self.command is not None:
            return f"command {self.command[0]}"
        where = next(each for each in ("env", "file", "credential") if getattr(self, each))
        return f"{where} {getattr(self, where)}"
