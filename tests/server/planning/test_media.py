"""Addresses in a request: nothing is fetched but from the domains that the operator allows."""

from dataclasses import replace

import pytest

from cogitate.server.auth.caller import Caller
from cogitate.server.errors import UnsupportedParameter
from cogitate.server.planning.plain_plan import build_body_plan
from cogitate.server.protocol.plain_body import PlainBody
from cogitate.server.settings import Settings
from tests.server.planning.test_plan import CARD

FAR = "http://169.254.169.254/secret"
PARTS = {
    "messages.0.content.0.image_url.url": ("messages", {"type": "image_url", "image_url": {"url": FAR}}),
    "messages.0.content.0.image_url": ("messages", {"type": "image_url", "image_url": FAR}),
    "messages.0.content.0.audio_url.url": ("messages", {"type": "audio_url", "audio_url": {"url": FAR}}),
    "messages.0.content.0.video_url.url": ("messages", {"type": "video_url", "video_url": {"url": FAR}}),
    "messages.0.content.0.source.url": ("messages", {"type": "image", "source": {"type": "url", "url": FAR}}),
    "input.0.content.0.image_url": ("input", {"type": "input_image", "image_url": FAR}),
    "input.0.content.0.file_url": ("input", {"type": "input_file", "file_url": FAR}),
    "messages.0.content.0.content.0.source.url": (
        "messages",
        {"type": "tool_result", "content": [{"type": "image", "source": {"type": "url", "url": FAR}}]},
    ),
}


def plan(field: str, part: object, card=CARD):
    content = {"model": "tiny", field: [{"role": "user", "content": [part]}]}
    return build_body_plan(PlainBody("/v1/chat/completions", content), card, Settings(), Caller())


@pytest.mark.parametrize("place", PARTS)
def test_plain_body_with_an_address_is_refused_by_its_place(place):
    with pytest.raises(UnsupportedParameter, match="fetches nothing") as refused:
        plan(*PARTS[place])
    assert refused.value.param == place
    assert plan(*PARTS[place], card=replace(CARD, media_domains=frozenset({"169.254.169.254"})))


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,x"}},
        {"type": "text", "text": FAR},
        {"type": "tool_use", "input": {"url": FAR}},
        {"type": "image_url", "image_url": 7},
        FAR,
    ],
)
def test_inline_media_texts_and_arguments_of_tools_are_the_engines(part):
    assert plan("messages", part).strategy is None
