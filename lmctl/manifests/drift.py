"""How lmctl keeps the box what the files say: policies of the loop."""

from typing import Annotated, Literal

from pydantic import Field

from lmctl.manifests.envelope import Duration, Node

DriftPolicy = Literal["correct", "report", "ignore"]


class Reconcile(Node):
    """How the box is kept what the manifests say."""

    drift: DriftPolicy = "correct"
    """What to do about what moved away without an edit: `correct` it, `report` it, or `ignore` it."""
    prune: bool = True
    """Whether what is no longer declared is taken down."""
    allow_empty: bool = False
    """Whether a folder that declares nothing any more takes everything down."""
    max_prune_percent: Annotated[int, Field(ge=0, le=100)] = 50
    """Share of the declared objects one edit may remove, in percent; more is refused as a mistake."""
    keep_generations: Annotated[int, Field(ge=1, le=1000)] = 5
    """Earlier generations whose files are kept, so that they can be compared and gone back to."""
    scrub: Annotated[Duration, Field(gt=0)] = 7 * 86400.0
    """How often the bytes of stored weights are hashed again."""
