"""Writes the README's table of strategies and strategies/README.md: python -m tests.bench.write_strategy_docs."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cogitate.strategies import STRATEGIES, parse
from cogitate.strategies.core.advice import ADVICE
from cogitate.strategies.core.options import Options
from cogitate.strategies.verifiers.options import Verified

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
CATALOGUE = ROOT / "strategies" / "README.md"
BEGIN, END = "checked by tests/server/test_readme.py -->\n", "<!-- /strategies -->"
ANSWER = 1000
"""Tokens of an answer, where a cost is told in answers."""
OPENING = """\
# The catalogue of strategies

Written from the types by `python -m tests.bench.write_strategy_docs`, checked by `tests/server/test_readme.py`. What
all strategies share stands in the [README](../README.md); what each gains and costs on a real model in
[deploy/results/reasoning.md](../deploy/results/reasoning.md). *At most* is the bound that a token budget and an
operator's price are reckoned by, with the options as they are by default.
"""


def table() -> str:
    rows = ["| `strategy` | what it does | when | not when | paper |", "|---|---|---|---|---|"]
    for name, strategy in STRATEGIES.items():
        advice, doc = ADVICE[name], (strategy.__doc__ or "").strip()
        rows.append(f"| `{name}` | {doc} | {advice.when} | {advice.when_not} | {paper(strategy)} |")
    return "\n".join(rows) + "\n"


def catalogue() -> str:
    entries = "".join(f"\n{entry(name, strategy)}" for name, strategy in STRATEGIES.items())
    properties = STRATEGIES["best_of_n"].model_json_schema()["properties"]
    shared = {
        key: value for key, value in properties.items() if key in Verified.model_fields.keys() - Options.model_fields
    }
    return f"{OPENING}{entries}\n## What all that verify share\n\n" + "\n".join(options("best_of_n", shared))


def entry(name: str, strategy: type[Options]) -> str:
    advice = ADVICE[name]
    most = parse.validate_python({"name": name}).cost(ANSWER) / ANSWER
    lines = [
        f"## `{name}`\n",
        f"{(strategy.__doc__ or '').strip()} {paper(strategy)}\n",
        f"- **When**: {advice.when}.",
        f"- **Not when**: {advice.when_not}.",
        f"- **Cost**: {advice.cost}. At most {most:g} times {ANSWER} tokens where an answer has {ANSWER}.\n",
    ]
    schema = strategy.model_json_schema()
    own = {key: value for key, value in schema["properties"].items() if key not in Options.model_fields}
    if issubclass(strategy, Verified):
        own = {key: value for key, value in own.items() if key not in Verified.model_fields}
        lines.insert(-1, "- **Verifier**: with the options of [all that verify](#what-all-that-verify-share).")
    lines += options(name, {key: value for key, value in own.items() if key != "name"})
    if decisions := schema.get("decisions"):
        lines += ["| what is seen | what is done |", "|---|---|", *decisions, ""]
        lines += [", ".join(f"{key} is {value}" for key, value in schema["thresholds"].items()) + ".", ""]
    return "\n".join(lines)


def options(name: str, properties: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A table of them, and an empty line; nothing where there are none."""
    defaults = parse.validate_python({"name": name}).model_dump(mode="json")
    rows = list[str]()
    for key, schema in properties.items():
        default = str(defaults[key]).lower() if isinstance(defaults[key], bool) else defaults[key]
        shown = "none" if default is None else "empty" if default == [] else default
        rows.append(f"| `{key}` | {taken(schema)} | {shown} | {schema.get('description', '')} |")
    return rows and ["| option | takes | default | |", "|---|---|---|---|", *rows, ""]


def taken(schema: Mapping[str, Any]) -> str:
    """What an option takes, as a person says it."""
    if kinds := schema.get("anyOf"):
        return ", ".join(taken(kind) for kind in kinds)
    if values := schema.get("enum"):
        return " ".join(f"`{value}`" for value in values)
    match schema.get("type"):
        case "null":
            return "null"
        case "array":
            return f"a list, each {taken(schema['items'])}" if "items" in schema else "a list"
        case "integer" | "number":
            low = schema.get("minimum", schema.get("exclusiveMinimum"))
            high = schema.get("maximum", schema.get("exclusiveMaximum"))
            return f"{low} to {high}" if high is not None else f"from {low}"
        case kind:
            return {"boolean": "true, false", "string": "a text", "object": "a JSON object"}.get(str(kind), str(kind))


def paper(strategy: type[Options]) -> str:
    number = strategy.paper.removeprefix("arXiv:")
    return f"[{number}](https://arxiv.org/abs/{number})"


def written(readme: str) -> str:
    """The part of the README that stands between the marks."""
    return readme.split(BEGIN)[1].split(END)[0]


if __name__ == "__main__":
    text = README.read_text()
    README.write_text(re.sub(re.escape(written(text)), lambda _: table(), text))
    CATALOGUE.write_text(catalogue())
