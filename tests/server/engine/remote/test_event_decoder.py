"""Server-sent events as servers write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.server.engine.remote.errors import UpstreamFailed
from cogitate.server.engine.remote.event_decoder import MAX_LINE_BYTES, EventDecoder

A, B = b'{"a": 1}', b'{"b": 2}'


def decode(*chunks: bytes) -> list[bytes]:
    decoder = EventDecoder()
    return [payload for chunk in chunks for payload in decoder.feed(chunk)] + [*decoder.end()]


@pytest.mark.parametrize(
    "stream",
    [
        b"data: %b\n\ndata: %b\n\ndata: [DONE]\n\n" % (A, B),
        b"data:%b\n\ndata:%b\n\ndata:[DONE]" % (A, B),
        b"data: %b\r\n\r\ndata: %b\r\n\r\ndata: [DONE]\r\n" % (A, B),
        b"data: %b\ndata: %b\ndata: [DONE]\n" % (A, B),
        b"\xef\xbb\xbfdata: %b\n\n: comment\n\nevent: message\nid: 3\nretry: 10\ndata: %b\n\ndata: [DONE]\n\n" % (A, B),
        b"\n\n\n: waiting\n\ndata: %b\n\ndata:\n\ndata: %b\n\n\n\ndata: [DONE]\n\n" % (A, B),
    ],
)
def test_events_are_found_in_every_framing(stream):
    assert decode(stream) == [A, B, b"[DONE]"]
    assert decode(*(stream[at : at + 1] for at in range(len(stream)))) == [A, B, b"[DONE]"]


def test_event_may_have_several_lines():
    assert decode(b'data: {\ndata: "a": {}\ndata: }\n\ndata: [DONE]\n\n') == [b'{\n"a": {}\n}', b"[DONE]"]


def test_body_that_is_no_stream_is_one_payload():
    assert decode(b'\n{"choices": [\n', b"]}") == [b'{"choices": [\n]}']
    assert decode(b"<html>", b"</html>") == []


@pytest.mark.parametrize("chunk", [b"data: " + b"x" * 1024, b"data: " + b"x" * 1024 + b"\n"])
def test_event_is_limited_in_bytes(chunk):
    decoder = EventDecoder()
    with pytest.raises(UpstreamFailed, match="size limit"):
        for _ in range(MAX_LINE_BYTES // 1024 + 1):
            list(decoder.feed(chunk if chunk.endswith(b"\n") else chunk.replace(b"data: ", b"")))


@given(st.lists(st.sampled_from([b"data: ", A, B, b"\n", b"\r\n", b"[DONE]", b": c", b"{", b"\xff"]), max_size=20))
def test_any_stream_is_decoded_alike_in_any_chunks(pieces):
    assert decode(*pieces) == decode(b"".join(pieces))
