"""What Open Responses requires of a `response` and of its events: openresponses.org, version 2026-04-24.

A table of field names and types, for the items and events that this server writes. Reasoning has OpenAI's event names
(`response.reasoning_text.*`), which its clients read; Open Responses calls them `response.reasoning.*`.
"""

from functools import cache
from typing import Any

import jsonschema_rs

Schema = dict[str, Any]
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
ANY: Schema = {}


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def build(optional: dict[str, Schema] | None = None, /, **required: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}}


def choose_by_type(schemas: dict[str, Schema]) -> Schema:
    """The schema of an object that its `type` decides."""
    return {
        "required": ["type"],
        "properties": {"type": {"enum": list(schemas)}},
        "allOf": [{"if": {"properties": {"type": {"const": kind}}}, "then": each} for kind, each in schemas.items()],
    }


TOP_LOGPROB = build(token=TEXT, logprob=NUMBER, bytes=array(INTEGER))
LOGPROBS = array(build(token=TEXT, logprob=NUMBER, bytes=array(INTEGER), top_logprobs=array(TOP_LOGPROB)))
PART = choose_by_type(
    {
        "output_text": build({"logprobs": LOGPROBS}, text=TEXT, annotations=array(ANY)),
        "reasoning_text": build(text=TEXT),
        "refusal": build(refusal=TEXT),
    }
)
STATUS: Schema = {"enum": ["in_progress", "completed", "incomplete"]}
ITEM = choose_by_type(
    {
        "message": build(id=TEXT, status=STATUS, role={"const": "assistant"}, content=array(PART)),
        "function_call": build(id=TEXT, call_id=TEXT, name=TEXT, arguments=TEXT, status=STATUS),
        "reasoning": build({"content": array(PART)}, id=TEXT, summary=array(ANY)),
    }
)
TOOL = build(
    type={"const": "function"},
    name=TEXT,
    description=nullable(TEXT),
    parameters=nullable({"type": "object"}),
    strict=nullable(FLAG),
)
FORMAT = choose_by_type(
    {
        "text": build(),
        "json_object": build(),
        "json_schema": build(name=TEXT, description=nullable(TEXT), schema=ANY, strict=FLAG),
    }
)
USAGE = build(
    input_tokens=INTEGER,
    output_tokens=INTEGER,
    total_tokens=INTEGER,
    input_tokens_details=build(cached_tokens=INTEGER),
    output_tokens_details=build(reasoning_tokens=INTEGER),
)
RESPONSE = build(
    id=TEXT,
    object={"const": "response"},
    created_at=INTEGER,
    completed_at=nullable(INTEGER),
    status=TEXT,
    incomplete_details=nullable(build(reason=TEXT)),
    model=TEXT,
    previous_response_id=nullable(TEXT),
    instructions=nullable(TEXT),
    output=array(ITEM),
    error=nullable(build(code=TEXT, message=TEXT)),
    tools=array(TOOL),
    tool_choice={"anyOf": [{"enum": ["none", "auto", "required"]}, build(type={"const": "function"}, name=TEXT)]},
    truncation={"enum": ["auto", "disabled"]},
    parallel_tool_calls=FLAG,
    text=build(format=FORMAT),
    top_p=NUMBER,
    presence_penalty=NUMBER,
    frequency_penalty=NUMBER,
    top_logprobs=INTEGER,
    temperature=NUMBER,
    reasoning=nullable(build(effort=nullable(TEXT), summary=nullable(TEXT))),
    usage=nullable(USAGE),
    max_output_tokens=nullable(INTEGER),
    max_tool_calls=nullable(INTEGER),
    store=FLAG,
    background=FLAG,
    service_tier=TEXT,
    metadata={"type": "object"},
    safety_identifier=nullable(TEXT),
    prompt_cache_key=nullable(TEXT),
)
AT_ITEM = {"item_id": TEXT, "output_index": INTEGER}
AT_PART = {**AT_ITEM, "content_index": INTEGER}
FIELDS_BY_EVENT: dict[str, Schema] = {
    **{f"response.{state}": build(response=RESPONSE) for state in ("created", "queued", "in_progress", "completed")},
    **{f"response.{state}": build(response=RESPONSE) for state in ("incomplete", "failed")},
    **{f"response.output_item.{step}": build(output_index=INTEGER, item=ITEM) for step in ("added", "done")},
    **{f"response.content_part.{step}": build(**AT_PART, part=PART) for step in ("added", "done")},
    "response.output_text.delta": build({"logprobs": LOGPROBS}, **AT_PART, delta=TEXT),
    "response.output_text.done": build({"logprobs": LOGPROBS}, **AT_PART, text=TEXT),
    "response.reasoning_text.delta": build(**AT_PART, delta=TEXT),
    "response.reasoning_text.done": build(**AT_PART, text=TEXT),
    "response.refusal.delta": build(**AT_PART, delta=TEXT),
    "response.refusal.done": build(**AT_PART, refusal=TEXT),
    "response.function_call_arguments.delta": build(**AT_ITEM, delta=TEXT),
    "response.function_call_arguments.done": build(**AT_ITEM, arguments=TEXT),
    "error": build(error=build(type=TEXT, code=nullable(TEXT), message=TEXT, param=nullable(TEXT))),
}
EVENT = choose_by_type(
    {kind: {**each, "required": [*each["required"], "sequence_number"]} for kind, each in FIELDS_BY_EVENT.items()}
)


@cache
def _validators() -> tuple[jsonschema_rs.Validator, jsonschema_rs.Validator]:
    return jsonschema_rs.validator_for(RESPONSE), jsonschema_rs.validator_for(EVENT)


def find_problems(value: dict[str, Any]) -> list[str]:
    """What of a response, or of an event, differs from the specification."""
    response, event = _validators()
    validator = response if value.get("object") == "response" else event
    return [f"{'.'.join(map(str, error.instance_path))}: {error.message}" for error in validator.iter_errors(value)]
