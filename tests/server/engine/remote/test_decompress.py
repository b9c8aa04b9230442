"""Compressed responses are read within the limits of uncompressed ones."""

import gzip
import json
import zlib

import pytest

from cogitate.server.engine.remote.decompress import Decompressor
from cogitate.server.engine.remote.errors import UpstreamFailed
from cogitate.strategies.core.ports import SampleFailed
from tests.fakes.upstream.connection import STREAM_HEAD, encode_response
from tests.fakes.upstream.recorded import RecordedUpstream
from tests.server.engine.remote.fakes import open_backend, request, sample

TEXT = json.dumps({"text": [f"number {number}" for number in range(20_000)]}).encode()


def deflate_raw(text: bytes) -> bytes:
    encoder = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return encoder.compress(text) + encoder.flush()


COMPRESS = {"gzip": gzip.compress, "deflate": zlib.compress, "deflate without a header": deflate_raw}


def expand(compressed: bytes, size: int) -> bytes:
    decompressor, parts = Decompressor(), []
    for at in range(0, len(compressed), size):
        decompressor.feed(compressed[at : at + size])
        while piece := decompressor.read():
            parts.append(piece)
    return b"".join([*parts, decompressor.end()])


@pytest.mark.parametrize("size", [1, 1000, 10**6])
@pytest.mark.parametrize("how", COMPRESS)
def test_text_is_the_same_in_chunks_of_any_size(how, size):
    assert expand(COMPRESS[how](TEXT), size) == TEXT


@pytest.mark.parametrize("compressed", [b"\x1f\x8b no gzip at all", b"neither format", gzip.compress(b" " * 10**8, 1)])
def test_invalid_and_expanding_data_are_refused(compressed):
    with pytest.raises(UpstreamFailed, match="compressed"):
        expand(compressed, 1000)


class Compressing(RecordedUpstream):
    """Compresses its chat completions, also streamed ones, and names the encoding."""

    encoding = "gzip"

    def _serve(self, request, connection):
        if not request.path.endswith("completions"):
            return super()._serve(request, connection)
        body = json.loads(request.body)
        text = b'data: {"choices": [{"index": 0, "delta": {"content": "42"}, "finish_reason": "stop"}]}\n\ndata: [DONE]'
        if not body.get("stream"):
            text = json.dumps(self.shape["plain"]).encode()
        compressed = COMPRESS[self.encoding](text) if self.encoding in COMPRESS else text
        if not body.get("stream"):
            return encode_response(200, compressed, f"content-encoding: {self.encoding}")
        head = STREAM_HEAD.replace(b"\r\n\r\n", f"\r\ncontent-encoding: {self.encoding}\r\n\r\n".encode())
        return head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(compressed), compressed)


SHAPE = {
    "models": {"data": [{"id": "fake"}]},
    "plain": {"choices": [{"index": 0, "message": {"content": "42"}, "finish_reason": "stop"}]},
}


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_compressed_responses_are_read(encoding):
    async with Compressing(SHAPE) as upstream, open_backend(upstream) as backend:
        upstream.encoding = encoding
        assert (await sample(backend)).text == (await sample(backend, reads_partial=True)).text == "42"
        assert (await backend.answer(request()))["choices"][0]["message"]["content"] == "42"
        lines = [line async for line in await backend.answer(request(stream=True))]
        assert "42" in lines[0] and lines[-1] == "data: [DONE]\n\n"


async def test_unknown_compression_is_a_502():
    async with Compressing(SHAPE) as upstream, open_backend(upstream) as backend:
        upstream.encoding = "br"
        with pytest.raises(SampleFailed, match="compression that was not accepted"):
            await sample(backend)
