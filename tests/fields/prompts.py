"""Conversations that the demo model continues in a known way."""

from typing import Any

Messages = list[dict[str, Any]]


def alternate(*turns: str) -> Messages:
    """Messages of user and assistant in turn, beginning with the user."""
    return [{"role": ("user", "assistant")[at % 2], "content": turn} for at, turn in enumerate(turns)]


def format_calls(*cities: str) -> str:
    """Format tool calls as Hermes models write them."""
    form = '<tool_call>\n{{"name": "weather", "arguments": {{"city": "{}"}}}}\n</tool_call>'
    return "\n".join(map(form.format, cities))


def tool(name: str) -> dict[str, Any]:
    city = {"type": "object", "properties": {"city": {"enum": ["Rome", "Paris"]}}, "required": ["city"]}
    return {"type": "function", "function": {"name": name, "parameters": city}}


TOOLS = [tool("weather"), tool("news")]
WEATHER = alternate(
    "Weather in Rome?", format_calls("Rome"), "Weather in Paris?", format_calls("Paris"), "Weather in Rome?"
)
WEATHER_TWICE = alternate(
    *["Weather in Rome and Paris?", format_calls("Rome", "Paris")] * 2, "Weather in Rome and Paris?"
)
COLOURS = alternate(*["List them.", "red\n\nred\n\nred\n\nred"] * 3, "List them.")
"""The answer has several paragraphs, which are the steps of a step-wise search."""
AGREEMENT = alternate(*["Is it?", "yes yes yes yes"] * 3, "Is it?")
"""The answer repeats yes, or no where repetition is penalised; each token is far likelier than the next one."""
SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "blue"]}},
    "required": ["colour"],
    "additionalProperties": False,
}

CALL = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
CONVERSATIONS: dict[str, Messages] = {
    "system": [{"role": "system", "content": "Your name is Bob."}, *alternate("What is the sea?")],
    "developer": [{"role": "developer", "content": "Your name is Bob."}, *alternate("What is the sea?")],
    "several turns": alternate("What is the sky?", "Blue.", "What is the sea?"),
    "several parts": [
        {"role": "user", "content": [{"type": "text", "text": "What is "}, {"type": "text", "text": "a fish?"}]}
    ],
    "a tool's answer": [
        *alternate("Weather in Rome?"),
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "content": "Sunny, 31 degrees", "tool_call_id": "1"},
    ],
    "a name": [{"role": "user", "name": "Ann", "content": "What is a fish?"}],
}
