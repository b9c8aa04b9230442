"""Upstream errors that repeat the request or its key reach the client without either."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from cogitate.server.engine.remote import RemoteBackend, UpstreamConfig
from cogitate.server.engine.remote.errors import error_from_chunk, error_from_status
from cogitate.server.engine.remote.redact import Redactor
from cogitate.server.errors import BadRequest
from tests.fakes.upstream.recorded import RecordedUpstream
from tests.server.engine.remote.fakes import SHORT_TIMEOUTS, request, sample

KEY = "canary-Zq81-Lw93-Kx27"
PROMPT = 'The "launch code" is\n4711-ü and nobody may know.'
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": PROMPT}], "user": "u-4711"}).encode()
REDACT = Redactor(KEY, BODY)


@pytest.mark.parametrize(
    "echo",
    [PROMPT, json.dumps(PROMPT), repr(PROMPT), BODY.decode(), PROMPT[5:40], json.dumps(json.dumps(PROMPT))],
)
def test_prompt_is_removed_however_it_is_escaped(echo):
    text = REDACT(f"Invalid request: {echo} at position 3")
    assert "launch" not in text and "4711" not in text and "nobody" not in text
    assert text.startswith("Invalid request: ") and text.endswith("at position 3")


@pytest.mark.parametrize(
    "echo",
    [KEY, f"Bearer {KEY}", f"{{'Authorization': 'Bearer {KEY}'}}", KEY[:12], "Bearer another-token", "sk-abcdefgh1234"],
)
def test_keys_are_removed_whole_and_in_part(echo):
    text = REDACT(f"bad headers {echo}, sorry")
    assert "canary" not in text and "another" not in text and "abcdefgh" not in text
    assert text.startswith("bad headers ") and text.endswith(", sorry")


def test_ordinary_reasons_stay_as_they_are():
    reason = "max_tokens must be at most 4096 for this model; temperature must be a number"
    assert REDACT(reason) == reason


def test_text_is_redacted_before_it_is_shortened():
    reason = "x" * 490 + PROMPT
    error = error_from_status(400, {}, json.dumps({"error": {"message": reason}}).encode(), REDACT)
    assert isinstance(error, BadRequest) and "launch" not in error.message and "The" not in error.message


def test_param_and_stream_errors_are_redacted():
    error = error_from_chunk({"code": 400, "message": f"no: {PROMPT}", "param": KEY}, REDACT)
    assert error.param == "[redacted]" and "launch" not in error.message


@given(st.text(), st.text(max_size=200), st.text(max_size=200))
def test_any_run_of_the_prompt_is_removed(prompt, before, after):
    body = json.dumps({"messages": [{"role": "user", "content": prompt + "0123456789abcdef"}]}).encode()
    assert "0123456789abcdef" not in Redactor(None, body)(f"{before}0123456789abcdef{after}")


def test_long_prompts_and_messages_take_little_time():
    body = json.dumps({"prompt": "ab" * 500_000 + "secret of the house"}).encode()
    began = time.monotonic()
    assert "secret" not in Redactor(KEY, body)("ab" * 100_000 + " secret of the house")
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_client_gets_neither_prompt_nor_key(status):
    secret = "The password of the vault is swordfish-99, please keep it."
    echo = {"error": {"message": f"rejected: Authorization: Bearer {KEY}; messages: [{secret!r}]", "code": status}}
    shape = {"models": {"data": [{"id": "fake"}]}, "plain": {}}
    shape["refuses"] = [{"field": "messages", "status": status, "error": echo}]
    async with RecordedUpstream(shape) as upstream:
        backend = RemoteBackend([UpstreamConfig(upstream.url, SecretStr(KEY))], timeouts=SHORT_TIMEOUTS)
        await backend.open()
        for ask in (sample(backend, request(secret)), backend.answer(request(secret))):
            with pytest.raises(BadRequest) as refused:
                await ask
            assert "swordfish" not in refused.value.message and "canary" not in refused.value.message
            assert refused.value.message.startswith("rejected: ")
        await backend.close()
