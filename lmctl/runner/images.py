"""Images of a conversation on their way into the prompt: a mark in the text, then what the model
sees in its place.
"""

import secrets
from dataclasses import dataclass, field

import msgspec

from lmctl.base.errors import BadRequest
from lmctl.base.talk import Chat, Image, Message, Prompt, Text
from lmctl.runner.port import EmbeddingEngine, Engine, Picture


@dataclass(frozen=True, slots=True)
class Shown:
    """What was asked, with `mark` in place of every image: no text can have it by chance."""

    given: Chat | Prompt
    mark: str
    images: tuple[Image, ...] = ()


@dataclass(slots=True)
class Read:
    """A prompt in tokens, and the pictures in it by the place of their first token."""

    tokens: list[int] = field(default_factory=list)
    pictures: dict[int, Picture] = field(default_factory=dict)


def shown(given: Chat | Prompt) -> Shown:
    """Return a conversation whose turns are text, and its images in order."""
    mark = f"<image {secrets.token_hex(16)}>"
    if isinstance(given, Prompt):
        return Shown(given, mark)
    images: list[Image] = []
    messages = tuple(_marked(message, mark, images) for message in given.messages)
    return Shown(msgspec.structs.replace(given, messages=messages), mark, tuple(images))


def _marked(message: Message, mark: str, images: list[Image]) -> Message:
    if isinstance(message.content, str):
        return message
    pieces = []
    for part in message.content:
        if isinstance(part, Text):
            pieces.append(part.text)
        else:
            images.append(part)
            pieces.append(mark)
    return msgspec.structs.replace(message, content="".join(pieces))


def read(engine: Engine | EmbeddingEngine, prompt: str, asked: Shown) -> Read:
    """Return the prompt as the model reads it. Raises BadRequest for images it cannot take."""
    facts = engine.facts
    begin, *others = prompt.split(asked.mark) if asked.images else [prompt]
    add_bos = facts.adds_bos and not (facts.bos and begin.startswith(facts.bos))
    found = Read(engine.tokenize(begin, add_bos=add_bos, parse_special=True))
    if not asked.images:
        return found
    if isinstance(engine, EmbeddingEngine) or not facts.vision:
        raise BadRequest(
            "this model does not take images",
            param="messages",
            hint="load one that has its `mmproj` file beside it",
        )
    if len(others) != len(asked.images):
        raise BadRequest("the model's chat template leaves images out", param="messages")
    for image, after in zip(asked.images, others, strict=True):
        _see(engine, image, found)
        found.tokens += engine.tokenize(after, add_bos=False, parse_special=True)
    if not others[-1]:
        raise BadRequest("nothing follows the last image", param="messages")
    return found


def _see(engine: Engine, image: Image, found: Read) -> None:
    for part in engine.see(image):
        if isinstance(part, Picture):
            found.pictures[len(found.tokens)] = part
            found.tokens += [part.mark] * part.span
        else:
            found.tokens += part
