"""Posts to /v1/messages and parses its event stream; opens the official client."""

import json

import anthropic
import httpx

from cogitate.server.protocol.anthropic import MessagesRequest

QUESTION = "What is 6*7?"
MESSAGES = [{"role": "user", "content": QUESTION}]
FIELDS = {"model": "scripted", "max_tokens": 256, "messages": MESSAGES}
TOOL = {"name": "weather", "description": "Weather of a city.", "input_schema": {"type": "object", "properties": {}}}


def connect(server, api_key="none", **options):
    """The official client, without retries: a context manager."""
    key = {"api_key": api_key} if api_key else {}
    return anthropic.Anthropic(base_url=server.url, max_retries=0, timeout=10, **key, **options)


def ask(server, path="/v1/messages", headers=None, timeout=10, **fields):
    return httpx.post(server.url + path, json=FIELDS | fields, timeout=timeout, headers=headers)


def events(response):
    """Parse every event. Its name is given twice, and the two must agree."""
    read = []
    for block in response.text.split("\n\n"):
        if block:
            name, data = block.split("\n")
            read.append(json.loads(data.removeprefix("data: ")))
            assert name == f"event: {read[-1]['type']}"
    return read


def request(**fields):
    return MessagesRequest.model_validate(FIELDS | fields)


def failure(response):
    """The error of a response in Anthropic's envelope."""
    body = response.json()
    assert set(body) == {"type", "error", "request_id"} and body["type"] == "error"
    assert body["request_id"] == response.headers["request-id"] == response.headers["x-request-id"]
    assert len(response.content) <= 2048 and "Traceback" not in response.text
    return body["error"]
