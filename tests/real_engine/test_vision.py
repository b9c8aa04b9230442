"""Images reach a model that takes them, plainly and under a strategy, as they do under vLLM's own server."""

import base64
import struct
import zlib
from collections.abc import Iterator

import httpx
import pytest

from tests.fakes import tiny_vision_model
from tests.fakes.vllm_server import vllm_server

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.faults]
SIDE = 28


def encode_png(red: int, green: int, blue: int) -> str:
    """A picture of one colour, as a data URL."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes((red, green, blue)) * SIDE) * SIDE
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of `vllm serve` with the plugin and the vision model."""
    folder = tiny_vision_model.build(tmp_path_factory.mktemp("vision"))
    flags = ("--served-model-name", "tiny", "--max-model-len", "1024", "--max-num-batched-tokens", "1024")
    with (
        vllm_server(flags, {"VLLM_PLUGINS": "cogitate"}, model=str(folder)) as server,
        httpx.Client(base_url=server.url, timeout=60) as running,
    ):
        yield running


def ask(client: httpx.Client, *images: str, **fields: object) -> dict:
    parts = [{"type": "image_url", "image_url": {"url": image}} for image in images]
    messages = [{"role": "user", "content": [*parts, {"type": "text", "text": "What is it?"}]}]
    body = {"model": "tiny", "messages": messages, "max_tokens": 8, "temperature": 0} | fields
    response = client.post("/v1/chat/completions", json=body)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize("strategy", [None, "chain_of_thought", {"name": "self_consistency", "n": 2}])
def test_image_is_part_of_the_prompt(client, strategy):
    fields = {"strategy": strategy} if strategy else {}
    red, none = ask(client, encode_png(255, 0, 0), **fields), ask(client, **fields)
    added = red["usage"]["prompt_tokens"] - none["usage"]["prompt_tokens"]
    assert added == tiny_vision_model.PATCHES and bool(strategy) == ("cogitate" in red)


def test_image_decides_the_answer_under_a_strategy_as_without(client):
    pictures = [encode_png(*colour) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255))]
    plain = [ask(client, each)["choices"][0]["message"]["content"] for each in pictures]
    strategy = {"name": "chain_of_thought", "instruction": ""}
    searched = [ask(client, each, strategy=strategy)["choices"][0]["message"]["content"] for each in pictures]
    assert len(set(plain)) > 1 and all(text.startswith(own) for text, own in zip(searched, plain, strict=True))
