"""Rejects addresses of images, audio and video that the engine may not fetch. Pure."""

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from cogitate.server.engine import ModelCard
from cogitate.server.errors import UnsupportedParameter
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.completion import AnyRequest
from cogitate.server.protocol.messages import ImagePart
from cogitate.server.protocol.plain_body import PlainBody

CONVERSATION_FIELDS = ("messages", "input")
ADDRESS_FIELDS = frozenset({"url", "image_url", "audio_url", "video_url", "file_url"})
NESTED_FIELDS = ADDRESS_FIELDS | {"content", "source", "output"}
"""Fields of messages and their parts in which a part may stand, of all four APIs; arguments of tools are none."""


def check_media(request: AnyRequest | PlainBody, card: ModelCard) -> None:
    """Raises UnsupportedParameter for media at a domain that the operator has not allowed; data: URLs are inline."""
    for place, url in find_body_addresses(request) if isinstance(request, PlainBody) else find_addresses(request):
        if not url.startswith("data:") and _host(url) not in card.media_domains:
            reason = "this server fetches nothing from there: send it inline, as a data: URL"
            raise UnsupportedParameter(f"Invalid value for '{place}': {reason}.", param=place)


def find_addresses(request: AnyRequest) -> Iterator[tuple[str, str]]:
    """Yield the place in the body and the URL of each image."""
    for at, message in enumerate(request.messages if isinstance(request, ChatRequest) else ()):
        for number, part in enumerate(message.content if isinstance(message.content, list) else ()):
            if isinstance(part, ImagePart):
                yield f"messages.{at}.content.{number}.image_url.url", part.image_url.url


def find_body_addresses(body: PlainBody) -> Iterator[tuple[str, str]]:
    """The same for a body that nothing has validated. Bodies are nested at most `request_body.MAX_DEPTH` deep."""
    for name in CONVERSATION_FIELDS:
        yield from _walk(name, body.content.get(name))


def _walk(place: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for at, item in enumerate(value):
            yield from _walk(f"{place}.{at}", item)
    elif isinstance(value, Mapping):
        for name in NESTED_FIELDS & value.keys():
            item = value[name]
            if isinstance(item, str) and name in ADDRESS_FIELDS:
                yield f"{place}.{name}", item
            elif not isinstance(item, str):
                yield from _walk(f"{place}.{name}", item)


def _host(url: str) -> str | None:
    """Return the host of a URL; None for one that is malformed."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
