"""Rejects addresses of images that the engine may not fetch. Pure."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from cogitate.server.engine import ModelCard
from cogitate.server.errors import UnsupportedParameter
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.completion import AnyRequest
from cogitate.server.protocol.messages import ImagePart


def check_media(request: AnyRequest, card: ModelCard) -> None:
    """Raises UnsupportedParameter for an image at a domain that the operator has not allowed; data: URLs are inline."""
    if not isinstance(request, ChatRequest):
        return
    for place, url in find_addresses(request):
        if _host(url) not in card.media_domains:
            reason = "this server fetches nothing from there: send the image inline, as a data: URL"
            raise UnsupportedParameter(f"Invalid value for '{place}': {reason}.", param=place)


def find_addresses(request: ChatRequest) -> Iterator[tuple[str, str]]:
    """Yield the place in the body and the URL of each image that is not inline."""
    for at, message in enumerate(request.messages):
        for number, part in enumerate(message.content if isinstance(message.content, list) else ()):
            if isinstance(part, ImagePart) and not part.image_url.url.startswith("data:"):
                yield f"messages.{at}.content.{number}.image_url.url", part.image_url.url


def _host(url: str) -> str | None:
    """Return the host of a URL; None for one that is malformed."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
