"""Client retries and idempotency keys do not multiply work, and request ids may repeat or be malformed."""

import json
import threading
import uuid

import httpx
import openai
import pytest

from tests.resilience.concurrent_clients import post_all
from tests.resilience.server_process import CHAT, HELLO, Server, raw

VOTE = {"name": "self_consistency", "n": 64, "stop_rule": "none"}


@pytest.mark.fault("T26")
def test_official_client_does_not_retry_lost_or_late_samples(bar):
    with Server() as server, openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=3) as client:
        server.set_knobs(fail=1.0)
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(**HELLO, extra_body={"strategy": VOTE, "cache": "no-store"})
        started = server.counters["started"]
        server.set_knobs(fail=0.0, hang=True)
        with pytest.raises(openai.InternalServerError):
            late = {"strategy": VOTE, "cache": "no-store", "budget": {"seconds": 0.3}}
            client.chat.completions.create(**HELLO, extra_body=late)
        late_started = server.counters["started"] - started
        server.set_knobs(hang=False)
        server.assert_healthy()
    figure = f"{started} and {late_started} generations"
    what = "64 samples all lost, and all late, asked by the official client with 3 retries"
    bar(what, figure, "64 and 64", (started, late_started) == (64, 64))


@pytest.mark.fault("T26")
def test_requests_with_one_idempotency_key_share_one_run(bar):
    with Server() as server:
        server.set_knobs(pace=0.02)
        answers: list[httpx.Response] = []
        request = {"strategy": VOTE, "cache": "no-store", "headers": {"Idempotency-Key": "once"}}
        threads = [threading.Thread(target=lambda: answers.append(server.ask(**request))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        answers.append(server.ask(**request))
        started = server.counters["started"]
        other = server.ask(headers={"Idempotency-Key": "once"}, strategy="self_consistency").status_code
        server.assert_healthy()
    bodies = {json.dumps({**a.json(), "cogitate": {**a.json()["cogitate"], "trace_id": 0}}) for a in answers}
    figure = f"{started} generations, {len(bodies)} body; with another body {other}"
    what = "one key sent twice at once and once more: generations, different bodies but for the trace's own name"
    bar(what, figure, "64, 1; 409 or 422", (started, len(bodies)) == (64, 1) and other in (409, 422))


def check_shared_id(bar, count: int) -> None:
    with Server(flags=("--max-concurrent-requests", "600")) as server:
        server.set_knobs(echo=True, pace=0.002)
        nonces = [uuid.uuid4().hex for _ in range(count)]
        requests = [
            {
                "messages": [{"role": "user", "content": nonce}],
                "strategy": {"name": "best_of_n", "n": 2, "verifier": "scripted", "instruction": ""},
                "headers": {"X-Request-Id": "the-same"},
            }
            for nonce in nonces
        ]
        answers = post_all(server, requests, count)
        server.assert_healthy()
    texts = [answer.json()["choices"][0]["message"]["content"] for answer in answers]
    crossed = sum(nonce not in text for nonce, text in zip(nonces, texts, strict=True))
    ids = {answer.json()["id"] for answer in answers}
    what = f"{count} requests at once under one X-Request-Id: answers that are another's"
    bar(what, f"{crossed}; {len(ids)} different ids", "0", crossed == 0 and len(ids) == count)


@pytest.mark.fault("T34")
def test_simultaneous_requests_with_one_request_id_get_their_own_answers(bar):
    check_shared_id(bar, 60)


@pytest.mark.fault("T34")
@pytest.mark.faults
def test_five_hundred_simultaneous_requests_with_one_request_id_get_their_own_answers(bar):
    check_shared_id(bar, 500)


@pytest.mark.fault("T34")
def test_malformed_request_id_is_replaced(bar):
    odd = [b"x" * 129, b"a b", b"a\x80b", b"", b"<script>", b"../../x", b"a" * 60_000]
    with Server() as server:
        reflected = []
        for name in odd:
            with server.connect() as connection:
                request = raw(json.dumps(HELLO | {"max_tokens": 1}).encode(), CHAT, "Connection: close")
                connection.sendall(request.replace(b"\r\n", b"\r\nX-Request-Id: " + name + b"\r\n", 1))
                answer = b"".join(iter(lambda: connection.recv(65536), b""))
                head = answer.split(b"\r\n\r\n")[0]
                if name and name in head or b"HTTP/1.1 5" in head:
                    reflected.append(name[:20])
        with server.connect() as connection:
            connection.sendall(raw(b"{}", CHAT, "Connection: close", "X-Request-Id: a\r\nX-Evil: 1"))
            injected = b"x-evil" in connection.recv(65536).lower()
        server.assert_healthy()
    bar(f"{len(odd)} malformed ids: reflected or a 5xx", f"{reflected or 0}", "0", not reflected and not injected)
