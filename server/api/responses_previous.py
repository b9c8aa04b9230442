"""Continues a stored response: its input and output precede the new input."""

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cogitate.server.auth.caller import Caller
from cogitate.server.engine import Body
from cogitate.server.errors import BadRequest, NotFound
from cogitate.server.protocol.json import dumps
from cogitate.server.protocol.responses import InputItems, ResponsesRequest
from cogitate.server.protocol.validation import to_bad_request
from cogitate.server.serving.service import Service

JSON = Any
FIELD = "previous_response_id"
ITEMS: TypeAdapter[InputItems] = TypeAdapter(InputItems)


async def continue_response(service: Service, request: ResponsesRequest, caller: Caller) -> ResponsesRequest:
    """Copy the request with the complete conversation as its input.

    Raises NotFound where the earlier response is not stored, BadRequest where it has no answer or both are too long.
    """
    try:
        previous = await service.responses.fetch((caller.tenant, request.previous_response_id or ""))
    except NotFound:
        raise NotFound(
            "No stored response has this id. Create it with store: true, or send the complete conversation as input; "
            "a response is stored for an hour.",
            param=FIELD,
            code="previous_response_not_found",
        ) from None
    if previous.response.get("status") not in ("completed", "incomplete"):
        raise BadRequest(f"This response has no answer: its status is {previous.response.get('status')}.", param=FIELD)
    items = [*previous.input, *list_output(previous.response.get("output") or []), *request.list_items()]
    limit = service.settings.max_body_bytes
    if len(dumps(items)) > limit:
        raise BadRequest(f"The complete conversation is larger than {limit} bytes.", param=FIELD)
    try:
        return request.model_copy(update={"input": ITEMS.validate_python(items)})
    except ValidationError as error:
        raise to_bad_request(error, prefix="input") from None


def list_output(output: Sequence[Body]) -> list[JSON]:
    """List the output as input items, without reasoning that nothing follows: it was cut off."""
    end = next((at for at in range(len(output), 0, -1) if output[at - 1].get("type") != "reasoning"), 0)
    return list(output[:end])
