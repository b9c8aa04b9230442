"""Tools of a chat request. Their unknown fields have no effect, as in `messages`."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from cogitate.server.protocol.messages import Name, OpenModel, RequestModel, Text
from cogitate.strategies.checks import check_refs

JSON = Any
Schema = Annotated[dict[str, Any], AfterValidator(check_refs)]
"""A JSON schema that a client sends."""
TOOL_FIELDS = frozenset({"tools", "tool_choice", "parallel_tool_calls"})


def drop_empty_tools(body: Mapping[str, JSON]) -> Mapping[str, JSON]:
    """Remove an empty or null `tools`, and the fields that have no effect without tools."""
    if body.get("tools") not in (None, []):
        return body
    dropped = TOOL_FIELDS if body.get("tool_choice") in (None, "auto", "none") else TOOL_FIELDS - {"tool_choice"}
    return {name: value for name, value in body.items() if name not in dropped}


class FunctionDefinition(OpenModel):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,128}$")]
    description: Text | None = None
    parameters: Schema | None = None
    strict: bool | None = None


class Tool(OpenModel):
    type: Literal["function"]
    function: FunctionDefinition


class NamedFunction(RequestModel):
    name: Name


class ToolChoice(RequestModel):
    type: Literal["function"] = "function"
    function: NamedFunction
