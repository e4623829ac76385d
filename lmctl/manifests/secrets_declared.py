"""Every reference to a secret in a bundle, by the path a person would name it by."""

from collections.abc import Iterator

from lmctl.manifests.bundle import Bundle
from lmctl.manifests.secret_ref import SecretRef


def secrets_declared(bundle: Bundle) -> Iterator[tuple[str, SecretRef]]:
    """Yield where each reference stands (`auth.tokens.ci`, `secrets.github`), and the reference."""
    spec = bundle.server.spec
    for token in spec.auth.tokens:
        if token.secret_ref is not None:
            yield f"auth.tokens.{token.name}", token.secret_ref
    for name, reference in spec.secrets.items():
        yield f"secrets.{name}", reference
