"""Errors over a real socket: OpenAI's envelope, and the exception class that OpenAI's client raises for it."""

import socket

import httpx
import openai
import pytest

from cogitate.strategies import STRATEGIES
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import HELLO, eventually, live

pytestmark = pytest.mark.live
CHAT = HELLO["messages"]


@pytest.fixture(scope="module")
def server():
    with live(ScriptedEngine(["\\boxed{42}"])) as started:
        yield started


def envelope(response):
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["message"]
    assert response.headers["content-type"].startswith("application/json")
    assert "Traceback" not in response.text and len(response.content) <= 2048
    return error


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"hi"',
        b'{"model": NaN}',
        b"\xff\xfe",
        b'{"model": "\xed\xa0\x80"}',
        b'{"a":' * 100_000,
        b"[" * 100_000,
        b'{"model": 1e999, "messages": []}',
        b'{"model": ' + b"9" * 5000 + b"}",
        b"\xef\xbb\xbf{}",
    ],
)
def test_malformed_bodies_are_a_400(server, body):
    headers = {"content-type": "application/json"}
    response = httpx.post(f"{server.url}/v1/chat/completions", content=body, headers=headers)
    assert response.status_code == 400 and envelope(response)["type"] == "invalid_request_error"


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_other_content_types_are_a_415(server, content_type):
    response = httpx.post(f"{server.url}/v1/chat/completions", content=b"{}", headers={"content-type": content_type})
    assert response.status_code == 415 and envelope(response)["code"] == "unsupported_media_type"


def test_oversized_body_is_a_413(server):
    huge = b'{"model": "' + b"x" * (33 * 1024 * 1024) + b'"}'
    response = httpx.post(
        f"{server.url}/v1/chat/completions", content=huge, headers={"content-type": "application/json"}
    )
    assert response.status_code == 413 and envelope(response)["code"] == "request_too_large"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/nothing"), ("POST", "/v1"), ("GET", "/v1/chat"), ("GET", "//")]
)
def test_unknown_urls_are_a_404(server, method, path):
    response = httpx.request(method, server.url + path)
    assert response.status_code == 404 and envelope(response)["message"].startswith("Invalid URL")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_a_405(server, method):
    response = httpx.request(method, f"{server.url}/v1/chat/completions")
    assert response.status_code == 405 and envelope(response)["code"] == "method_not_supported"


def test_unknown_model_raises_not_found_in_the_client(server):
    with pytest.raises(openai.NotFoundError) as refused:
        server.client().chat.completions.create(model="gpt-9", messages=CHAT)
    assert (refused.value.code, refused.value.type) == ("model_not_found", "invalid_request_error")
    with pytest.raises(openai.NotFoundError):
        server.client().models.retrieve("gpt-9")


def test_invalid_field_raises_bad_request_in_the_client(server):
    with pytest.raises(openai.BadRequestError) as refused:
        server.client().chat.completions.create(model="scripted", messages=CHAT, temperature=9)
    assert (refused.value.param, refused.value.code) == ("temperature", "value_above_max_value")


@pytest.mark.parametrize(
    "strategy", [{"name": "self_consistency", "sampels": 3}, {"name": "nothing"}, "nothing", 7, []]
)
def test_invalid_strategies_are_a_400_that_names_the_field(server, strategy):
    response = server.ask(strategy=strategy)
    assert response.status_code == 400 and envelope(response)["param"].startswith("strategy")


def test_error_messages_never_contain_the_prompt(server):
    secret = "my-very-secret-prompt"
    for fields in ({"temperature": 9}, {"strategy": "nothing"}, {"nonsense": secret}, {"messages": [{"role": secret}]}):
        response = server.ask(**({"messages": [{"role": "user", "content": secret}]} | fields))
        assert response.status_code == 400 and secret not in response.text


def test_well_formed_request_ids_are_echoed_and_others_are_replaced(server):
    sent = server.ask(headers={"X-Request-Id": "abc.DEF_1-2"}, strategy="chain_of_thought")
    assert sent.headers["x-request-id"] == "abc.DEF_1-2" == sent.json()["cogitate"]["trace_id"]
    for bad in ("", "x" * 129, "a b", "<script>"):
        assert server.ask(headers={"X-Request-Id": bad}).headers["x-request-id"] not in ("", bad)
    assert httpx.get(f"{server.url}/nothing").headers["x-request-id"]


def test_models_and_strategies_have_listings(server):
    names = [model.id for model in server.client().models.list()]
    assert names[0] == "scripted" and "scripted@self_consistency" in names
    assert server.client().models.retrieve("scripted@best_of_n").id == "scripted@best_of_n"
    listed = httpx.get(f"{server.url}/v1/strategies").json()["data"]
    assert {strategy["name"] for strategy in listed} == STRATEGIES.keys() >= {"best_of_n", "dvts", "particle_filter"}
    assert all(strategy["summary"] and strategy["paper"] and strategy["schema"]["properties"] for strategy in listed)


def test_openapi_document_is_served(server):
    document = httpx.get(f"{server.url}/openapi.json").json()
    assert "/v1/chat/completions" in document["paths"]


def test_concurrent_clients_with_one_request_id_all_get_answers(server):
    import concurrent.futures

    def nonce(n):
        return server.ask(messages=[{"role": "user", "content": f"{n}"}], headers={"X-Request-Id": "same"}).status_code

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert set(pool.map(nonce, range(64))) == {200}
    eventually(lambda: not server.service.jobs.live)


def test_client_that_disconnects_during_its_body_is_not_logged_as_an_error(caplog):
    with live(ScriptedEngine(["x"])) as server:
        port = int(server.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Content-Length: 1000\r\n\r\n{"
            )
        assert server.ask().status_code == 200
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
