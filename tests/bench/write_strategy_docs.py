"""Writes strategies/README.md and the strategy table of README.md: python -m tests.bench.write_strategy_docs"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cogitate.strategies import STRATEGIES, parse
from cogitate.strategies.core.models import ModelsOptions
from cogitate.strategies.core.options import Options
from cogitate.strategies.verifiers.options import VerifierOptions

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
CATALOGUE = ROOT / "strategies" / "README.md"
BEGIN, END = "checked by tests/server/test_readme.py -->\n", "<!-- /strategies -->"
ANSWER_TOKENS = 1000
"""Tokens per answer in the stated costs."""
HEAD = """\
# Strategies

Generated from the code by `python -m tests.bench.write_strategy_docs` and checked by `tests/server/test_readme.py`. The
options of all strategies are in the [README](../README.md); the measured accuracy and cost on real models are in
[deploy/results/reasoning.md](../deploy/results/reasoning.md). *At most* is the upper bound, at default options, from
which token budgets and the operator's cost limit are computed.
"""


def build_table() -> str:
    """Build the README's table: a row for each strategy."""
    rows = ["| `strategy` | what it does | when | not when | paper |", "|---|---|---|---|---|"]
    for name, strategy in STRATEGIES.items():
        columns = (f"`{name}`", summarise(strategy), strategy.when, strategy.when_not, link_paper(strategy))
        rows.append(f"| {' | '.join(columns)} |")
    return "\n".join(rows) + "\n"


def build_catalogue() -> str:
    """Build strategies/README.md: a section for each strategy, and one for each group of shared options."""
    sections = "".join(f"\n{build_section(name, strategy)}" for name, strategy in STRATEGIES.items())
    properties = STRATEGIES["self_consistency"].model_json_schema()["properties"]
    for group, title in ((VerifierOptions, "a verifier"), (ModelsOptions, "several models")):
        own = group.model_fields.keys() - Options.model_fields
        shared = {key: value for key, value in properties.items() if key in own}
        table = "\n".join(build_options_table("self_consistency", shared))
        sections += f"\n## Options of strategies with {title}\n\n{table}"
    return f"{HEAD}{sections}"


def build_section(name: str, strategy: type[Options]) -> str:
    """Build a strategy's section: summary, use, cost, options and decisions."""
    bound = parse.validate_python({"name": name}).cost(ANSWER_TOKENS) / ANSWER_TOKENS
    lines = [
        f"## `{name}`\n",
        f"{summarise(strategy)} {link_paper(strategy)}\n",
        f"- **When**: {strategy.when}.",
        f"- **Not when**: {strategy.when_not}.",
        f"- **Cost**: {strategy.cost_note}. At most {bound:g} times {ANSWER_TOKENS} tokens for answers of "
        f"{ANSWER_TOKENS} tokens.\n",
    ]
    schema = strategy.model_json_schema()
    own = {key: value for key, value in schema["properties"].items() if key not in Options.model_fields}
    for group, title in ((VerifierOptions, "a verifier"), (ModelsOptions, "several models")):
        if issubclass(strategy, group):
            own = {key: value for key, value in own.items() if key not in group.model_fields}
            link = f"[options of strategies with {title}](#options-of-strategies-with-{title.replace(' ', '-')})"
            lines.insert(-1, f"- **{title.split()[1].title()}**: has the {link}.")
    lines += build_options_table(name, {key: value for key, value in own.items() if key != "name"})
    if decisions := schema.get("decisions"):
        lines += ["| observation | action |", "|---|---|", *decisions, ""]
        lines += [", ".join(f"{key} is {value}" for key, value in schema["thresholds"].items()) + ".", ""]
    return "\n".join(lines)


def build_options_table(name: str, properties: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Build a table of options and an empty line; no lines where there are no options."""
    defaults = parse.validate_python({"name": name}).model_dump(mode="json")
    rows = list[str]()
    for key, schema in properties.items():
        default = str(defaults[key]).lower() if isinstance(defaults[key], bool) else defaults[key]
        shown = "none" if default is None else "empty" if default == [] else default
        rows.append(f"| `{key}` | {describe_type(schema)} | {shown} | {schema.get('description', '')} |")
    return rows and ["| option | type | default | |", "|---|---|---|---|", *rows, ""]


def describe_type(schema: Mapping[str, Any]) -> str:
    """Describe an option's JSON schema in a few words."""
    if "$ref" in schema:
        return "JSON object"
    if kinds := schema.get("anyOf"):
        return ", ".join(describe_type(kind) for kind in kinds)
    if values := schema.get("enum"):
        return " ".join(f"`{value}`" for value in values)
    match schema.get("type"):
        case "null":
            return "null"
        case "array":
            return f"list; each: {describe_type(schema['items'])}" if "items" in schema else "list"
        case "integer" | "number":
            low = schema.get("minimum", schema.get("exclusiveMinimum"))
            high = schema.get("maximum", schema.get("exclusiveMaximum"))
            return f"{low} to {high}" if high is not None else f"from {low}"
        case kind:
            return {"boolean": "true, false", "string": "text", "object": "JSON object"}.get(str(kind), str(kind))


def summarise(strategy: type[Options]) -> str:
    """Return the docstring of a strategy."""
    return (strategy.__doc__ or "").strip()


def link_paper(strategy: type[Options]) -> str:
    """Link the strategy's paper, by its arXiv number."""
    number = strategy.paper.removeprefix("arXiv:")
    return f"[{number}](https://arxiv.org/abs/{number})"


def extract_table(readme: str) -> str:
    """Return the part of the README between the generator's markers."""
    return readme.split(BEGIN)[1].split(END)[0]


if __name__ == "__main__":
    text = README.read_text()
    README.write_text(re.sub(re.escape(extract_table(text)), lambda _: build_table(), text))
    CATALOGUE.write_text(build_catalogue())
