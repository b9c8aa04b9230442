"""Converts validation errors to OpenAI's error envelope."""

from collections.abc import Collection

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from cogitate.server.errors import MAX_PARAM_BYTES, BadRequest, truncate

OPENAI_CODES = {
    "missing": "missing_required_parameter",
    "extra_forbidden": "unknown_parameter",
    "literal_error": "invalid_value",
    "union_tag_invalid": "invalid_value",
    "greater_than": "value_below_min_value",
    "greater_than_equal": "value_below_min_value",
    "less_than": "value_above_max_value",
    "less_than_equal": "value_above_max_value",
    "too_short": "array_too_short",
    "too_long": "array_too_long",
    "string_too_long": "string_above_max_length",
    "string_too_short": "string_below_min_length",
}


def to_bad_request(error: ValidationError, prefix: str = "", hide: Collection[str] = ()) -> BadRequest:
    """Convert the first error, with its parameter and code in OpenAI's terms.

    Of the errors of a union the one with the longest path is reported, and rather one that is not about the type: it
    concerns the alternative that was meant.
    `hide`: union tags that are not part of the parameter's path. `prefix`: path of the model in the body.
    """
    errors = error.errors(include_url=False, include_input=False)
    same_field = (each for each in errors if each["loc"][:1] == errors[0]["loc"][:1])
    first = max(same_field, key=lambda each: (len(each["loc"]), not each["type"].endswith("_type")))
    steps = [_part(step) for step in _without_tags(first["loc"]) if step not in hide]
    steps = steps or [first.get("ctx", {}).get("param", "")]
    path = truncate(".".join(step for step in (prefix, *steps) if step), MAX_PARAM_BYTES)
    code = OPENAI_CODES.get(first["type"], "invalid_type" if first["type"].endswith("_type") else "invalid_value")
    return BadRequest(_message(code, path or "body", _reason(first)), param=path or None, code=code)


def contradiction(param: str, reason: str) -> PydanticCustomError:
    """Error for a validator that reads several fields. `param`: the field to report."""
    return PydanticCustomError("contradiction", "{reason}", {"param": param, "reason": reason})


def _message(code: str, path: str, reason: str) -> str:
    match code:
        case "missing_required_parameter":
            return f"Missing required parameter: '{path}'."
        case "unknown_parameter":
            return f"Unknown parameter: '{path}'."
        case "invalid_type":
            return f"Invalid type for '{path}': {reason[:1].lower()}{reason[1:]}."
    return f"Invalid value for '{path}': {reason}."


def _reason(detail: ErrorDetails) -> str:
    """pydantic's message, without quotations from the input."""
    if detail["type"] == "model_type":
        return "Input should be an object"
    if detail["type"] == "union_tag_invalid":
        return f"Input should be one of {detail['ctx']['expected_tags']}"
    return detail["msg"].removeprefix("Value error, ")


def _without_tags(path: tuple[int | str, ...]) -> list[int | str]:
    """pydantic's path without the tag of an item in a list, where the item's field has the tag's name."""
    return [
        step
        for at, step in enumerate(path)
        if not (at and isinstance(path[at - 1], int) and path[at + 1 : at + 2] == (step,))
    ]


def _part(part: int | str) -> str:
    """A step of pydantic's path; empty for the labels of its unions."""
    return "" if isinstance(part, str) and ("[" in part or part in UNION_LABELS) else str(part)


UNION_LABELS = frozenset(
    {"str", "int", "float", "bool", "tuple", "list", "dict", "none", "nullable", "constrained-str", "ToolChoice"}
)
