"""The requests of the clients in examples/recipes, without the clients: a vote is a vote under each of them."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.clients.fake_server import run_fake_server
from tests.clients.recipes.recipe import FOLDER, read_recipe
from tests.clients.recipes.recorded import read_recorded
from tests.fakes.live_server import Live

pytestmark = pytest.mark.live
RECORDED = [(name, request) for name, requests in read_recorded().items() for request in requests]
FEWEST = 3
"""Equal votes of eight that settle a vote by default; more are counted where they end at the same time."""
QUESTIONS = {
    name: json.loads(text) for name, text in read_recipe("open-webui", "", "scripted").files.items() if name != "start"
}
"""The requests of the page about Open WebUI, which is not run."""


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    with run_fake_server() as running:
        yield running


def send(server: Live, body: dict[str, Any], path: str = "/v1/chat/completions") -> httpx.Response:
    response = server.http.post(f"{server.url}{path}", json=body | {"cache": "no-store"})
    assert response.status_code == 200, response.text
    return response


def read_chunks(response: httpx.Response) -> list[dict[str, Any]]:
    """The chunks of a stream."""
    lines = response.text.splitlines()
    assert lines[-2] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]


@pytest.mark.parametrize(("name", "request_"), RECORDED, ids=[name for name, _ in RECORDED])
def test_recorded_request_decodes_several_candidates_without_a_warning(server, name, request_):
    response = send(server, request_["body"], request_["path"])
    if request_["body"].get("stream"):
        summary = next(chunk["cogitate"] for chunk in read_chunks(response) if "cogitate" in chunk)
    else:
        summary = response.json()["cogitate"]
    assert summary["candidates"] >= FEWEST and summary["answer"] == "42" and "warnings" not in summary


def test_every_client_with_a_recipe_was_recorded_or_is_described_by_its_requests():
    pages = {path.stem for path in FOLDER.glob("*.md")} - {"README"}
    assert pages == {*read_recorded(), "open-webui", "claude-code"}


@pytest.mark.parametrize(("name", "temperature", "is_vote"), [("lm-eval", 0, False), ("llamaindex", 0.1, True)])
def test_default_temperature_of_the_client_would_spoil_the_vote(server, name, temperature, is_vote):
    body = next(request["body"] for request in read_recorded()[name] if "self_consistency" in request["body"]["model"])
    summary = send(server, body | {"temperature": temperature, "stream": False}).json()["cogitate"]
    assert ("warnings" in summary) is not is_vote
    assert summary["candidates"] >= FEWEST if is_vote else summary["candidates"] == 1


def test_open_webui_gets_an_answer_in_chunks_with_usage(server):
    chunks = read_chunks(send(server, QUESTIONS["chat.json"]))
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk["choices"]) == (
        "so it is \\boxed{42}"
    )
    assert chunks[-1]["usage"]["completion_tokens"] >= 5 * FEWEST


def test_custom_parameter_of_open_webui_selects_the_strategy(server):
    (summary,) = (
        chunk["cogitate"] for chunk in read_chunks(send(server, QUESTIONS["custom.json"])) if "cogitate" in chunk
    )
    assert (summary["strategy"], summary["candidates"]) == ("best_of_n", 4)


def test_task_model_of_open_webui_is_asked_once(server):
    before = len(server.engine.calls)
    answer = send(server, QUESTIONS["title.json"]).json()
    assert "cogitate" not in answer and answer["choices"][0]["message"]["content"]
    assert len(server.engine.calls) - before <= 1


def test_open_webui_finds_strategies_in_the_list_of_models(server):
    listed = server.http.get(f"{server.url}/v1/models", headers={"Authorization": "Bearer none"}).json()["data"]
    assert {"scripted", "scripted@self_consistency", "scripted@best_of_n"} <= {model["id"] for model in listed}


def test_parameter_of_ollama_is_refused_by_name(server):
    body = QUESTIONS["chat.json"] | {"mirostat": 1}
    response = server.http.post(f"{server.url}/v1/chat/completions", json=body)
    assert response.status_code == 400 and response.json()["error"]["param"] == "mirostat"
