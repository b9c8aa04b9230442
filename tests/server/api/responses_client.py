"""Posts to /v1/responses and parses its event stream, without the official client."""

import json

import httpx

from cogitate.server.protocol.responses import ResponsesRequest

QUESTION = "What is 6*7?"


def ask(server, headers=None, timeout=10, **fields):
    body = {"model": "scripted", "input": QUESTION} | fields
    return httpx.post(f"{server.url}/v1/responses", json=body, timeout=timeout, headers=headers)


def events(response):
    """Parse every event. Its name is given twice, and the two must agree."""
    read = []
    for block in response.text.split("\n\n"):
        if block and not block.startswith(":"):
            name, data = block.split("\n")
            read.append(json.loads(data.removeprefix("data: ")))
            assert name == f"event: {read[-1]['type']}"
    return read


def request(**fields):
    return ResponsesRequest.model_validate({"model": "m", "input": QUESTION} | fields)
