"""The choices of a body, or of a chunk, in OpenAI's form."""

from cogitate.server.engine import Body
from cogitate.server.engine.remote.dialects.finish_reason import to_openai_name
from cogitate.server.engine.remote.dialects.message import normalize_message
from cogitate.server.engine.remote.dialects.usage import to_count
from cogitate.server.engine.remote.errors import UpstreamFailed
from cogitate.server.engine.remote.validate import as_dict


def list_choices(body: Body) -> list[Body]:
    """Return the choices of a body or a chunk as they are, without those that are null. Raises UpstreamFailed."""
    choices = body.get("choices")
    choices = [choices] if isinstance(choices, dict) else choices or []
    if not isinstance(choices, list):
        raise UpstreamFailed("returned malformed choices")
    present = [choice for choice in choices if choice is not None]
    if not all(isinstance(choice, dict) for choice in present):
        raise UpstreamFailed("returned malformed choices")
    return present


def choice_index(choice: Body, default: int = 0) -> int:
    """Return a choice's index; `default` where it has none. Raises UpstreamFailed."""
    value = choice.get("index")
    index = default if value is None else to_count(value)
    if index is None:
        raise UpstreamFailed("returned a choice that was not requested")
    return index


def is_raw_text(choice: Body) -> bool:
    """Whether a choice is one of raw text. Some upstreams repeat a message's text as `text` beside it."""
    return (
        "text" in choice and not isinstance(choice.get("message"), dict) and not isinstance(choice.get("delta"), dict)
    )


def normalize_choice(choice: Body) -> Body:
    """Return a complete choice in OpenAI's form: message, finish_reason. Raises UpstreamFailed."""
    reason = to_openai_name(choice.get("finish_reason"))
    if is_raw_text(choice):
        return choice | {"finish_reason": reason}
    message = normalize_message(as_dict(choice.get("message")) or as_dict(choice.get("delta")))
    if reason == "stop" and message.get("tool_calls"):
        reason = "tool_calls"
    return {name: value for name, value in choice.items() if name != "text"} | {
        "message": message,
        "finish_reason": reason,
    }
