"""What is asked in the table: conversations that the demo model goes on with in a known way."""

from typing import Any

Messages = list[dict[str, Any]]


def said(*turns: str) -> Messages:
    """The user's turns and the assistant's, in turn."""
    return [{"role": ("user", "assistant")[at % 2], "content": turn} for at, turn in enumerate(turns)]


def called(*cities: str) -> str:
    """Tool calls as Hermes models write them."""
    form = '<tool_call>\n{{"name": "weather", "arguments": {{"city": "{}"}}}}\n</tool_call>'
    return "\n".join(map(form.format, cities))


def tool(name: str) -> dict[str, Any]:
    city = {"type": "object", "properties": {"city": {"enum": ["Rome", "Paris"]}}, "required": ["city"]}
    return {"type": "function", "function": {"name": name, "parameters": city}}


TOOLS = [tool("weather"), tool("news")]
WEATHER = said("Weather in Rome?", called("Rome"), "Weather in Paris?", called("Paris"), "Weather in Rome?")
WEATHER_TWICE = said(*["Weather in Rome and Paris?", called("Rome", "Paris")] * 2, "Weather in Rome and Paris?")
COLOURS = said(*["List them.", "red\n\nred\n\nred\n\nred"] * 3, "List them.")
"""Is answered in several paragraphs, which are the steps of a step-wise search."""
AGREEMENT = said(*["Is it?", "yes yes yes yes"] * 3, "Is it?")
"""Is answered by yes, and where that may not be repeated by no: each token far ahead of the next likely."""
SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "blue"]}},
    "required": ["colour"],
    "additionalProperties": False,
}

CALL = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
TALKS: dict[str, Messages] = {
    "system": [{"role": "system", "content": "Your name is Bob."}, *said("What is the sea?")],
    "developer": [{"role": "developer", "content": "Your name is Bob."}, *said("What is the sea?")],
    "several turns": said("What is the sky?", "Blue.", "What is the sea?"),
    "several parts": [
        {"role": "user", "content": [{"type": "text", "text": "What is "}, {"type": "text", "text": "a fish?"}]}
    ],
    "a tool's answer": [
        *said("Weather in Rome?"),
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "content": "Sunny, 31 degrees", "tool_call_id": "1"},
    ],
    "a name": [{"role": "user", "name": "Ann", "content": "What is a fish?"}],
}
