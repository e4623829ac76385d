"""SmolLM2 with a template that lets it think: no package has a small model that was trained to.

Only the text of the chat template is another, of the same length, so that nothing else moves.
"""

import shutil
from pathlib import Path

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n"
    "{% else %}<think>\n{% endif %}{% endif %}"
)
_KEY = b"tokenizer.chat_template" + (8).to_bytes(4, "little")
_HEADER = 8 * 2**20


def write(weights: Path, path: Path) -> Path:
    """Write the copy."""
    shutil.copyfile(weights, path)
    with path.open("r+b") as file:
        head = file.read(_HEADER)
        begin = head.index(_KEY) + len(_KEY)
        size = int.from_bytes(head[begin : begin + 8], "little")
        text = TEMPLATE.encode()
        assert len(text) <= size - 5
        file.seek(begin + 8)
        file.write(b"{#" + b" " * (size - 4 - len(text)) + b"#}" + text)
    return path
