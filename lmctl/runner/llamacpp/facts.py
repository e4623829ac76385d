"""What a loaded GGUF model says of itself."""

from typing import Any, Final

import llama_cpp as library

from lmctl.base.spec import LoadSettings
from lmctl.runner.llamacpp.library import said
from lmctl.runner.llamacpp.load import Handles
from lmctl.runner.llamacpp.memory import Memory
from lmctl.runner.port import Facts

_ROWS: Final = 4
"""Rows that llama.cpp's kernels for processors multiply at once (its repacked weights: measured, a
step of five tokens takes 1.3 to 1.4 times as long as one of four, one of eight 1.5 to 1.7 times)."""


def facts(handles: Handles, settings: LoadSettings, memory: Memory, *, vision: bool) -> Facts:
    """Return what loading found out."""
    vocabulary = library.llama_model_get_vocab(handles.model)
    template = library.llama_model_chat_template(handles.model, None)
    context_length = int(library.llama_n_ctx_seq(handles.context))
    physical = int(library.llama_n_ubatch(handles.context))
    return Facts(
        architecture=said(handles.model, "general.architecture"),
        context_length=min(context_length, settings.context_length),
        slots=settings.parallel,
        step_tokens=max(physical, settings.parallel + 1),
        most_wanted=settings.most_wanted,
        vocabulary=int(library.llama_vocab_n_tokens(vocabulary)),
        chat_template=template.decode() if template else None,
        bos=_token_text(vocabulary, library.llama_vocab_bos(vocabulary)),
        eos=_token_text(vocabulary, library.llama_vocab_eos(vocabulary)),
        adds_bos=bool(library.llama_vocab_get_add_bos(vocabulary)),
        can_copy=True,
        can_cut=memory.can_cut,
        # What moves up would leave a part of a picture behind.
        can_shift=memory.can_shift and not vision,
        vision=vision,
        rows_at_once=_ROWS,
    )


def embedding_facts(handles: Handles, *, slots: int, longest: int) -> Facts:
    """Return what loading found out of a model whose texts have at most `longest` tokens."""
    vocabulary = library.llama_model_get_vocab(handles.model)
    return Facts(
        architecture=said(handles.model, "general.architecture"),
        context_length=longest,
        slots=slots,
        step_tokens=int(library.llama_n_ubatch(handles.context)),
        vocabulary=int(library.llama_vocab_n_tokens(vocabulary)),
        chat_template=None,
        bos=_token_text(vocabulary, library.llama_vocab_bos(vocabulary)),
        eos=_token_text(vocabulary, library.llama_vocab_eos(vocabulary)),
        adds_bos=True,
        can_copy=False,
        can_cut=False,
        can_shift=False,
        most_wanted=0,
        kind="embedding",
        dimensions=int(library.llama_model_n_embd_out(handles.model)),
    )


def _token_text(vocabulary: Any, token: int) -> str:
    if token < 0:
        return ""
    return bytes(library.llama_vocab_get_text(vocabulary, token)).decode()
