"""No request field stops the real engine, and no URL in a request makes the server open a connection."""

import json
import socket
import threading
from typing import Any

import httpx
import pytest

from tests.resilience.engine_killer_fields import CHAT, CONTEXT, RAW
from tests.resilience.server_process import HELLO, Server

HARMLESS = {"stop tokens beyond the vocabulary", "max_tokens beyond the context"}
"""vLLM accepts these: such a token is never sampled, and the limit is capped."""
UNSATISFIABLE = {"a raw grammar", "a schema that refers to itself alone"}
"""vLLM accepts these too, and ends the request when nothing can be decoded."""


def is_expected(what: str, status: int, *, plain: bool) -> bool:
    """Whether a killer is refused; a plain one is vLLM's to refuse, and may be answered."""
    if plain:
        return status in (200, 400) or (what in UNSATISFIABLE and status == 502)
    return status == 400 or (what in HARMLESS and status == 200)


def send_killers(server: Server, model: str) -> list[tuple[str, int, str]]:
    """Send each killer plainly and under a strategy, then a harmless request; returns the unexpected responses."""
    wrong = []
    with httpx.Client(base_url=server.url, timeout=120, verify=False) as client:
        requests = [("/v1/chat/completions", what, HELLO | fields) for what, fields in CHAT.items()]
        requests += [("/v1/completions", what, fields) for what, fields in RAW.items()]
        for path, what, fields in requests:
            for strategy in ({}, {"strategy": {"name": "self_consistency", "n": 2}}):
                payload = {**fields, "model": model, "max_tokens": fields.get("max_tokens", 8), **strategy}
                answer = client.post(path, content=json.dumps(payload), headers={"content-type": "application/json"})
                if not is_expected(what, answer.status_code, plain=not strategy):
                    wrong.append((what, answer.status_code, answer.text[:200]))
            control = client.post("/v1/chat/completions", json=HELLO | {"model": model, "max_tokens": 4})
            if control.status_code != 200:
                wrong.append((f"after {what}", control.status_code, control.text[:200]))
    return wrong


@pytest.mark.fault("T11")
@pytest.mark.faults
@pytest.mark.engine
def test_no_request_field_stops_the_real_engine(bar):
    with Server(real=True, flags=("--engine-args", json.dumps({"max_model_len": CONTEXT}))) as server:
        model = server.get("/v1/models").json()["data"][0]["id"]
        children = {child.pid for child in server.process.children(recursive=True)}
        wrong = send_killers(server, model)
        same = children <= {child.pid for child in server.process.children(recursive=True)}
        server.assert_healthy()
    what = f"{len(CHAT) + len(RAW)} engine killers on the real engine, plain and, refused, under a strategy: unexpected"
    bar(what, f"{wrong or 0}; engine restarts {0 if same else 1}", "0; 0", not wrong and same)


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


@pytest.mark.fault("T30")
def test_urls_in_requests_are_not_fetched(bar):
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as canary, Server() as server:
        canary.settimeout(0.2)
        stop = threading.Event()

        def listen() -> None:
            while not stop.is_set():
                try:
                    received.append(canary.accept()[0].recv(100))
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
        requests = [*((fields, {}) for fields in bodies), *(({}, each) for each in headers)]
        statuses = [server.ask(headers=header, **fields).status_code for fields, header in requests]
        stop.set()
        listener.join()
        server.assert_healthy()
    figure = f"{len(received)} connections; statuses {sorted(set(statuses))}"
    bar(f"{len(requests)} bodies and headers that name a URL", figure, "0", not received and max(statuses) < 500)
