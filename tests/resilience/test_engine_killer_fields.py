"""T11, T30: one field never ends the engine for everyone, and no field makes the server call somebody."""

import json
import socket
import threading
from typing import Any

import httpx
import pytest

from tests.resilience.engine_killer_fields import CHAT, CONTEXT, RAW
from tests.resilience.server_process import HELLO, Server

HARMLESS = {
    "stop tokens beyond the vocabulary",
    "max_tokens beyond the context",
}
"""What vLLM itself takes: such a token never comes, a limit is capped."""


def tried(server: Server, model: str) -> list[tuple[str, int, str]]:
    """Each killer, plainly and under a strategy, and after it a harmless request: what was not as it should be."""
    wrong = []
    with httpx.Client(base_url=server.url, timeout=120, verify=False) as client:
        asks = [("/v1/chat/completions", what, HELLO | fields) for what, fields in CHAT.items()]
        asks += [("/v1/completions", what, fields) for what, fields in RAW.items()]
        for path, what, fields in asks:
            for strategy in ({}, {"strategy": {"name": "self_consistency", "n": 2}}):
                said = {**fields, "model": model, "max_tokens": fields.get("max_tokens", 8), **strategy}
                answer = client.post(path, content=json.dumps(said), headers={"content-type": "application/json"})
                if answer.status_code != 400 and not (what in HARMLESS and answer.status_code == 200):
                    wrong.append((what, answer.status_code, answer.text[:200]))
            control = client.post("/v1/chat/completions", json=HELLO | {"model": model, "max_tokens": 4})
            if control.status_code != 200:
                wrong.append((f"after {what}", control.status_code, control.text[:200]))
    return wrong


@pytest.mark.faults
@pytest.mark.engine
def test_t11_no_field_ends_the_real_engine(bar):
    with Server(real=True, flags=("--engine-args", json.dumps({"max_model_len": CONTEXT}))) as server:
        model = server.get("/v1/models").json()["data"][0]["id"]
        children = {child.pid for child in server.process.children(recursive=True)}
        wrong = tried(server, model)
        same = children <= {child.pid for child in server.process.children(recursive=True)}
        server.healthy()
    what = f"{len(CHAT) + len(RAW)} engine killers on the real engine, plain and under a strategy: not refused"
    bar("T11", what, f"{wrong or 0}; engine restarts {0 if same else 1}", "0; 0", not wrong and same)


URLS = [
    "image_url",
    "base_url",
    "api_base",
    "api_key",
    "url",
    "webhook",
    "callback_url",
    "proxy",
    "endpoint",
    "file_url",
]


def test_t30_no_request_makes_the_server_call_anybody(bar):
    called: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as canary, Server() as server:
        canary.settimeout(0.2)
        stop = threading.Event()

        def listen() -> None:
            while not stop.is_set():
                try:
                    called.append(canary.accept()[0].recv(100))
                except TimeoutError:
                    continue

        listener = threading.Thread(target=listen)
        listener.start()
        url = f"http://127.0.0.1:{canary.getsockname()[1]}/x"
        part: dict[str, Any] = {"type": "image_url", "image_url": {"url": url}}
        bodies = [{name: url} for name in URLS]
        bodies += [{"messages": [{"role": "user", "content": [part]}]}]
        bodies += [{"messages": [{"role": "user", "content": [part | {"image_url": {"url": url.upper()}}]}]}]
        bodies += [{"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"$ref": url}}}}]
        bodies += [{"tools": [{"type": "function", "function": {"name": "f", "parameters": {"$ref": url}}}]}]
        headers = [{"X-ITS-Endpoint": url}, {"X-Forwarded-Host": url}, {"Referer": url}]
        asks = [*((said, {}) for said in bodies), *(({}, said) for said in headers)]
        statuses = [server.ask(headers=said, **fields).status_code for fields, said in asks]
        stop.set()
        listener.join()
        server.healthy()
    figure = f"{len(called)} connections; statuses {sorted(set(statuses))}"
    bar("T30", f"{len(asks)} bodies and headers that name a URL", figure, "0", not called and max(statuses) < 500)
