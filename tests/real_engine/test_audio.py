"""Sound reaches a model that takes it, plainly and under a strategy, on vLLM's own server with the plugin.

It stands for all media: the parts of a message go to vLLM's own renderer in both cases.
"""

import base64
import io
import math
import struct
import wave
from collections.abc import Iterator

import httpx
import pytest

from tests.fakes import tiny_audio_model
from tests.fakes.vllm_server import vllm_server

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.faults]
pytest.importorskip("soundfile", reason="vLLM decodes sound with it: pip install soundfile")
RATE = 16_000


def encode_wav(hertz: float) -> str:
    """A tone of half a second, in base64."""
    samples = (round(20_000 * math.sin(2 * math.pi * hertz * at / RATE)) for at in range(RATE // 2))
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of `vllm serve` with the plugin and the model."""
    folder = tiny_audio_model.build(tmp_path_factory.mktemp("audio"))
    flags = ("--served-model-name", "tiny")
    with (
        vllm_server(flags, {"VLLM_PLUGINS": "cogitate"}, model=str(folder)) as server,
        httpx.Client(base_url=server.url, timeout=60) as running,
    ):
        yield running


def ask(client: httpx.Client, *tones: float, **fields: object) -> dict:
    sounds = [{"type": "input_audio", "input_audio": {"data": encode_wav(hertz), "format": "wav"}} for hertz in tones]
    messages = [{"role": "user", "content": [*sounds, {"type": "text", "text": "What is it?"}]}]
    body = {"model": "tiny", "messages": messages, "max_tokens": 8, "temperature": 0} | fields
    response = client.post("/v1/chat/completions", json=body)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize("strategy", [None, "chain_of_thought", {"name": "self_consistency", "n": 2}])
def test_sound_is_part_of_the_prompt(client, strategy):
    fields = {"strategy": strategy} if strategy else {}
    heard, silent = ask(client, 440.0, **fields), ask(client, **fields)
    assert heard["usage"]["prompt_tokens"] >= silent["usage"]["prompt_tokens"] + 10
    assert bool(strategy) == ("cogitate" in heard)


def test_sound_decides_the_answer_under_a_strategy_as_without(client):
    tones = (100.0, 440.0, 1000.0, 4000.0)
    plain = [ask(client, tone)["choices"][0]["message"]["content"] for tone in tones]
    strategy = {"name": "chain_of_thought", "instruction": ""}
    searched = [ask(client, tone, strategy=strategy)["choices"][0]["message"]["content"] for tone in tones]
    assert len(set(plain)) > 1 and all(text.startswith(own) for text, own in zip(searched, plain, strict=True))
