"""The fields of a `response` object besides its answer: those that OpenAI and Open Responses require, on every answer.

Open Responses (openresponses.org, version 2026-04-24) requires fields that OpenAI's client reads as optional.
"""

from typing import Any

from cogitate.server.engine import Body
from cogitate.server.errors import ApiError, RequestCancelled, ShuttingDown
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.server.serving.job import Job

JSON = Any


def build_id(prefix: str, plan: Plan, at: int = 0) -> str:
    """Build the id of a plan's response or of one of its items; the same plan always gives the same id."""
    return f"{prefix}_{plan.number}{at or ''}"


def build_initial_response(request: ResponsesRequest, plan: Plan) -> Body:
    """Build a response that has no answer yet, with every field, and the request's options as it repeats them."""
    sampled = {} if plan.sampling.temperature is None else {"temperature": plan.sampling.temperature}
    status = "queued" if request.background else "in_progress"
    return DEFAULTS | {"status": status} | sampled | _echo_options(request) | _build_own_fields(request, plan)


def build_failed_response(request: ResponsesRequest, plan: Plan, error: ApiError) -> Body:
    """Build the response of a job that was cancelled or has failed."""
    response = build_initial_response(request, plan)
    if isinstance(error, RequestCancelled) or (isinstance(error, ShuttingDown) and error.code == ShuttingDown.code):
        return response | {"status": "cancelled"}
    code = "rate_limit_exceeded" if error.status == 429 else "invalid_prompt" if error.status < 500 else "server_error"
    details = {"code": code, "message": error.message, "type": error.type, "param": error.param}
    return response | {"status": "failed", "error": details}


def set_end_time(job: Job[Body], response: Body) -> Body:
    """Copy a response with the time of its end, if it is complete."""
    return response | {"completed_at": job.stamp_end()} if response["status"] == "completed" else response


def complete_response(request: ResponsesRequest, plan: Plan, body: Body) -> Body:
    """Copy the engine's response, which may be another request's, with the plan's own and all absent fields."""
    initial = build_initial_response(request, plan)
    absent = {name: value for name, value in initial.items() if body.get(name) is None}
    output = [complete_item(item) for item in body.get("output") or []]
    return body | absent | _build_own_fields(request, plan) | {"output": output}


def complete_item(item: JSON) -> JSON:
    """Copy an output item of the engine with the lists that a text part requires."""
    if not isinstance(item, dict) or not isinstance(item.get("content"), list):
        return item
    return item | {"content": [complete_part(part) for part in item["content"]]}


def complete_part(part: JSON) -> JSON:
    if not isinstance(part, dict) or part.get("type") != "output_text":
        return part
    return part | {name: part.get(name) or [] for name in ("annotations", "logprobs")}


def _build_own_fields(request: ResponsesRequest, plan: Plan) -> Body:
    """Build the fields that this request alone decides, whichever request found the answer."""
    return {
        "id": build_id("resp", plan),
        "object": "response",
        "created_at": plan.created,
        "model": plan.model,
        "background": bool(request.background),
        "previous_response_id": request.previous_response_id,
        "store": request.is_stored,
        "metadata": request.metadata or {},
        "user": request.user,
    }


def _echo_options(request: ResponsesRequest) -> Body:
    options = request.model_dump(mode="json", by_alias=True, exclude_none=True, include=ECHOED_FIELDS)
    if "tools" in options:
        options["tools"] = [
            {"description": None, "parameters": None, "strict": None} | each for each in options["tools"]
        ]
    if "reasoning" in options:
        options["reasoning"] = {"effort": None, "summary": None} | options["reasoning"]
    if "text" in options:
        options["text"] = {"format": _echo_format(options["text"].get("format") or {"type": "text"})}
    return options


def _echo_format(form: Body) -> Body:
    return {"description": None, "strict": False} | form if form["type"] == "json_schema" else form


DEFAULTS: Body = {
    "completed_at": None,
    "error": None,
    "incomplete_details": None,
    "output": [],
    "usage": None,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "reasoning": None,
    "safety_identifier": None,
    "service_tier": "default",
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "truncation": "disabled",
}
ECHOED_FIELDS = {"instructions", "max_output_tokens", "max_tool_calls", "parallel_tool_calls", "reasoning"}
ECHOED_FIELDS |= {"prompt_cache_key", "safety_identifier", "temperature", "text", "tool_choice", "tools"}
ECHOED_FIELDS |= {"top_logprobs", "top_p", "presence_penalty", "frequency_penalty", "truncation"}
"""Request fields that the response repeats."""
