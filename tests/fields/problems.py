"""What may be wrong with the response to a valid or contradictory request."""

import json

import httpx

from tests.fields.requests import Body


def find_problem(response: httpx.Response, body: Body) -> str | None:
    """Say what is wrong with a response; None where it is an answer, or a 400 or 404 that names a field of the body."""
    if response.status_code == 200:
        error = find_stream_error(response)
    elif response.status_code in (400, 404):
        error = response.json()["error"]
    else:
        return f"status {response.status_code} {response.text[:200]}"
    if error is None or str(error["param"]).split(".")[0] in body:
        return None
    return f"it names {error['param']}: {error['message']}"


def find_stream_error(response: httpx.Response) -> Body | None:
    """Return the error that a stream ends with; None for a complete stream, or for a body."""
    if not response.headers["content-type"].startswith("text/event-stream"):
        return None
    lines = [line.removeprefix("data: ") for line in response.text.split("\n") if line.startswith("data: {")]
    return next((chunk["error"] for chunk in map(json.loads, lines) if chunk.get("error")), None)
