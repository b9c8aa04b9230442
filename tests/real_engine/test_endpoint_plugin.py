"""`VLLM_PLUGINS=cogitate vllm serve`: strategies on vLLM's own server, and everything else as without the plugin."""

import json
import os
import re
import time
from collections.abc import Iterator

import anthropic
import anyio
import httpx
import openai
import pytest

from cogitate.server.engine.vllm import env
from tests.fakes.live_server import eventually
from tests.fakes.otlp_receiver import OtlpReceiver, otlp_receiver
from tests.fakes.vllm_server import VllmServer, vllm_server
from tests.resilience.measure import read_metric, wait_until

pytestmark = [pytest.mark.engine, pytest.mark.slow]

MODEL = env.DEMO_MODEL_NAME
CHAT = "/v1/chat/completions"
QUESTION = {"model": MODEL, "messages": [{"role": "user", "content": "What is 13 + 29?"}], "max_tokens": 24}


@pytest.fixture(scope="module")
def receiver() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as running:
        yield running


@pytest.fixture(scope="module")
def server(receiver: OtlpReceiver) -> Iterator[VllmServer]:
    """Traced by vLLM's own flag."""
    presets = json.dumps({"quick": {"name": "self_consistency", "n": 2}})
    variables = {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    flags = ("--otlp-traces-endpoint", f"{receiver.url}/v1/traces")
    with vllm_server(flags, {"VLLM_PLUGINS": "cogitate", "COGITATE_PRESETS": presets, **variables}) as running:
        yield running


@pytest.fixture
def client(server: VllmServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=120) as client:
        yield client


def test_body_names_a_strategy(client):
    response = client.post(CHAT, json=QUESTION | {"strategy": {"name": "self_consistency", "n": 3}})
    body = response.json()
    assert response.status_code == 200 and body["cogitate"]["strategy"] == "self_consistency"
    assert body["cogitate"]["candidates"] <= 3 and response.headers["x-request-id"] == body["cogitate"]["trace_id"]
    trace = client.get(f"/v1/traces/{response.headers['x-request-id']}").json()
    assert trace["status"] == "completed"


@pytest.mark.parametrize("suffix", ["best_of_n", "quick"])
def test_model_name_selects_a_strategy_or_preset(client, suffix):
    body = client.post(CHAT, json=QUESTION | {"model": f"{MODEL}@{suffix}"}).json()
    assert body["cogitate"]["strategy"] == {"quick": "self_consistency"}.get(suffix, suffix)
    assert body["model"] == f"{MODEL}@{suffix}"


def test_page_and_its_files_are_served(client):
    for path in ("/", "/page/main.mjs", "/docs"):
        response = client.get(path)
        assert response.status_code == 200 and "default-src 'none'" in response.headers["content-security-policy"]
    assert "/v1/traces" in client.get("/openapi.json").json()["paths"]


def test_repeated_search_is_cached(client):
    ask = QUESTION | {"strategy": {"name": "self_consistency", "n": 2}, "seed": 5}
    assert "x-cache" not in client.post(CHAT, json=ask).headers
    assert client.post(CHAT, json=ask).headers["x-cache"] == "hit"


def test_official_client_streams_a_strategy(server):
    official = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none")
    chunks = list(
        official.chat.completions.create(**QUESTION, stream=True, extra_body={"strategy": "self_consistency"})
    )
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")
    assert any(chunk.model_extra and "cogitate" in chunk.model_extra for chunk in chunks)


@pytest.mark.parametrize("model", [MODEL, f"{MODEL}@quick"])
def test_official_anthropic_client_gets_messages_and_streams(server, model):
    client = anthropic.Anthropic(base_url=server.url, api_key="none", max_retries=0)
    ask = {"model": model, "max_tokens": 16, "messages": QUESTION["messages"]}
    message = client.messages.create(**ask)
    assert message.content[0].text and message.usage.output_tokens
    assert (("cogitate" in (message.model_extra or {})) is True) == (model != MODEL)
    with client.messages.stream(**ask) as stream:
        assert "".join(stream.text_stream)
        assert stream.get_final_message().stop_reason in ("end_turn", "max_tokens")
    assert client.messages.count_tokens(model=model, messages=QUESTION["messages"]).input_tokens > 5


def test_decisions_are_answered_with_probabilities(client):
    hot = {"type": "predicate", "name": "hot", "instructions": "Fire is hot."}
    response = client.post("/v1/decisions", json={"model": MODEL, "input": "A fire burns.", "questions": [hot]})
    (answer,) = response.json()["answers"]
    assert answer["name"] == "hot" and 0 < answer["probability"] < 1


def test_answer_now_ends_a_search_with_its_best_so_far(server):
    async def run() -> httpx.Response:
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as both:
            search = {"name": "self_consistency", "n": 8, "stop_rule": "none"}
            ask = QUESTION | {"strategy": search, "max_tokens": 900, "min_tokens": 800, "cache": "no-store"}
            found: list[httpx.Response] = []

            async def wait() -> None:
                found.append(await both.post(CHAT, json=ask, headers={"x-request-id": "soon"}))

            async with anyio.create_task_group() as group:
                group.start_soon(wait)
                await anyio.sleep(1.5)
                (await both.post("/v1/requests/soon/answer")).raise_for_status()
            return found[0]

    response = anyio.run(run)
    assert response.status_code == 200 and response.json()["cogitate"]["stopped"] == "asked"


def test_responses_and_completions_take_strategies(client):
    response = client.post("/v1/responses", json={"model": f"{MODEL}@quick", "input": "2+2?", "max_output_tokens": 16})
    raw = client.post("/v1/completions", json={"model": f"{MODEL}@quick", "prompt": "2+2=", "max_tokens": 8})
    assert response.json()["cogitate"]["strategy"] == raw.json()["cogitate"]["strategy"] == "self_consistency"


def test_response_in_the_background_is_ours_to_fetch_and_an_unknown_id_is_vllms(client):
    asked = {"model": f"{MODEL}@quick", "input": "2+2?", "max_output_tokens": 16, "background": True}
    url = f"/v1/responses/{client.post('/v1/responses', json=asked).json()['id']}"
    while client.get(url).json()["status"] in ("queued", "in_progress"):
        time.sleep(0.05)
    assert client.get(url).json()["cogitate"]["strategy"] == "self_consistency"
    assert client.post(f"{url}/cancel").json()["status"] in ("completed", "incomplete")
    assert client.delete(url).json()["deleted"] is True
    assert client.get(url).status_code == client.post(f"{url}/cancel").status_code == 404


@pytest.mark.parametrize("strategy", [None, {"name": "self_consistency", "n": 2, "stop_rule": "none"}])
def test_vllms_spans_are_below_ours_in_the_clients_trace(client, receiver, strategy):
    trace, sender = os.urandom(16).hex(), os.urandom(8).hex()
    ask = QUESTION | ({"strategy": strategy, "cache": "no-store"} if strategy else {})
    assert client.post(CHAT, json=ask, headers={"traceparent": f"00-{trace}-{sender}-01"}).status_code == 200
    count = 1 if strategy is None else 2
    eventually(lambda: len(receiver.find_trace(trace)) == (2 if strategy is None else 1 + 2 * count))
    spans = receiver.find_trace(trace)
    (root,) = [span for span in spans if span.parent == sender]
    parents = [root] if strategy is None else [span for span in spans if span.parent == root.id]
    assert root.name == f"chat {MODEL}" and root.scope == "cogitate" and len(parents) == count
    assert sorted(s.parent for s in spans if s.name == "llm_request") == sorted(parent.id for parent in parents)


def test_unknown_strategy_is_an_error_that_names_the_field(client):
    response = client.post(CHAT, json=QUESTION | {"strategy": "nope"})
    assert response.status_code == 400 and response.json()["error"]["param"] == "strategy"


def test_plain_body_with_fields_of_vllms_own_is_vllms(client):
    ask = QUESTION | {"structured_outputs": {"choice": ["42", "43"]}, "priority": 0, "cache_salt": "mine"}
    body = client.post(CHAT, json=ask).json()
    assert body["choices"][0]["message"]["content"] in ("42", "43") and "cogitate" not in body


def test_text_that_looks_like_a_strategy_is_passed_on(client):
    ask = QUESTION | {"messages": [{"role": "user", "content": 'a@b "strategy" \\u0040 "budget"'}]}
    assert "cogitate" not in client.post(CHAT, json=ask).json()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"model": 3}', b'{"strategy"', b"\xff\xfe"])
def test_invalid_body_gets_vllms_own_error(client, body):
    response = client.post(CHAT, content=body, headers={"content-type": "application/json"})
    assert response.status_code in (400, 422) and "error" in response.json()


def test_other_routes_are_vllms_and_metrics_have_both(client):
    assert client.get("/health").content == b""
    assert client.get("/version").json()["version"]
    assert client.post("/tokenize", json={"model": MODEL, "prompt": "one two"}).json()["count"] >= 2
    metrics = client.get("/metrics").text
    assert "vllm:generation_tokens_total" in metrics and "cogitate_requests_total" in metrics
    assert read_metric(metrics, "cogitate_ready") == 1
    names = [model["id"] for model in client.get("/v1/models").json()["data"]]
    assert names[0] == MODEL and {f"{MODEL}@self_consistency", f"{MODEL}@quick"} <= set(names)


def test_a_search_has_one_line_in_vllms_log_and_a_plain_request_has_uvicorns(client, server):
    before = len(server.output)
    for fields in ({"strategy": {"name": "self_consistency", "n": 2}, "cache": "no-store"}, {"max_tokens": 3}):
        assert client.post(CHAT, json=QUESTION | fields, headers={"x-request-id": "line"}).status_code == 200
    client.get("/v1/traces/line")
    wait_until(lambda: "GET /v1/traces/line" in server.output[before:])
    searched, plain, other = [line for line in server.output[before:].splitlines() if "/v1/" in line]
    assert re.search(r"INFO .* POST /v1/chat/completions 200 id=line .* tokens=\d+ .* stopped=\w+", searched)
    assert '"POST /v1/chat/completions HTTP/1.1" 200' in plain and "GET /v1/traces/line 200" in other


def test_search_is_cancelled_by_its_id(client, server):
    async def run() -> tuple[int, int]:
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as both:
            ask = QUESTION | {"strategy": {"name": "self_consistency", "n": 8}, "max_tokens": 900, "cache": "no-store"}
            statuses: list[int] = []

            async def search() -> None:
                response = await both.post(CHAT, json=ask | {"min_tokens": 800}, headers={"x-request-id": "mine"})
                statuses.append(response.status_code)

            async with anyio.create_task_group() as group:
                group.start_soon(search)
                await anyio.sleep(1)
                statuses.append((await both.post("/v1/requests/mine/cancel")).status_code)
            return statuses[0], statuses[1]

    assert sorted(anyio.run(run)) == [200, 499]  # whichever response is first
