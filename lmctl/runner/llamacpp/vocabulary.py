"""Whether two models mean the same by their tokens: only then can one guess for the other.

The rule is llama.cpp's own for draft models: the same kind of vocabulary, the same begin and end where
they are added to texts, about the same size, and the same text behind each number but for the
first few, which models use as they like.
"""

from collections.abc import Iterator
from typing import Any, Final

import llama_cpp as library

from lmctl.base.spec import FailureKind
from lmctl.runner.llamacpp.load import Handles
from lmctl.runner.port import LoadFailed

MOST_MORE: Final = 128
"""By how many tokens the sizes may differ: some models are padded."""
FIRST_COMPARED: Final = 5


def check_same(target: Handles, draft: Handles, *, names: tuple[str, str]) -> None:
    """Raise LoadFailed, naming both models, unless the second can guess tokens for the first."""
    vocabularies = [library.llama_model_get_vocab(each.model) for each in (target, draft)]
    difference = next(_differences(*vocabularies), None)
    if draft.embeds:
        difference = "it answers with vectors"
    if difference is not None:
        model, drafter = names
        raise LoadFailed(
            f"{drafter} cannot guess tokens for {model}: {difference}",
            kind=FailureKind.CONFIG,
            hint="a draft model must have the vocabulary of the model it guesses for: mostly a"
            " smaller one of the same family",
        )


def _differences(one: Any, other: Any) -> Iterator[str]:
    """Yield how two vocabularies differ, in words."""
    for what, ask in (
        ("kinds of vocabulary", library.llama_vocab_type),
        ("rules on a begin token", library.llama_vocab_get_add_bos),
        ("rules on an end token", library.llama_vocab_get_add_eos),
    ):
        if ask(one) != ask(other):
            yield f"they have different {what}"
    for what, added, ask in (
        ("begin", library.llama_vocab_get_add_bos, library.llama_vocab_bos),
        ("end", library.llama_vocab_get_add_eos, library.llama_vocab_eos),
    ):
        if added(one) and ask(one) != ask(other):
            yield f"their {what} tokens are {ask(one)} and {ask(other)}"
    sizes = [int(library.llama_vocab_n_tokens(each)) for each in (one, other)]
    if abs(sizes[0] - sizes[1]) > MOST_MORE:
        yield f"their vocabularies have {sizes[0]} and {sizes[1]} tokens"
    for token in range(FIRST_COMPARED, min(sizes)):
        texts = [bytes(library.llama_vocab_get_text(each, token)) for each in (one, other)]
        if texts[0] != texts[1]:
            said = " and ".join(repr(each.decode(errors="replace")) for each in texts)
            yield f"token {token} is {said}"
