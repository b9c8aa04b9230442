#!/usr/bin/env bash
# Two compilers of JSON Schema for constrained decoding admit other documents than the schema.
#
# Versions: outlines-core 0.2.14, llguidance 1.9.1 (its byte tokenizer), Python 3.11.
#
# Guess: the documents that a compiled schema admits are those that a validator accepts, and
#   a keyword that is not supported raises an error.
# Behaviour: outlines-core ignores minimum and maximum without an error, so 99 passes for an
#   integer from 10 to 20, and it anchors pattern, which JSON Schema does not. Both refuse
#   an object whose properties come in another order than the schema's, and a letter written
#   as a \u escape; llguidance also refuses the escaped slash.
# Consequence: constrained output still needs a validator for its bounds, and the order of a
#   schema's properties decides what a model must write first (reasoning ahead of the answer).
#
# Output seen:
#   bounds, outside | outlines True | llguidance False
#   pattern, inner match | outlines False | llguidance True
#   escaped letter | outlines False | llguidance False
#   escaped slash | outlines True | llguidance False
#   schema's order | outlines True | llguidance True
#   other order | outlines False | llguidance False
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    "outlines-core==0.2.14" "llguidance==1.9.1"

expected=$(cat <<'TEXT'
bounds, outside | outlines True | llguidance False
pattern, inner match | outlines False | llguidance True
escaped letter | outlines False | llguidance False
escaped slash | outlines True | llguidance False
schema's order | outlines True | llguidance True
other order | outlines False | llguidance False
TEXT
)

actual=$("$folder/venv/bin/python" - <<'PYTHON'
import json
import re

from llguidance import LLMatcher, LLTokenizer
from outlines_core.json_schema import build_regex_from_schema

TOKENIZER = LLTokenizer("byte")


def match_outlines(schema, text):
    pattern = build_regex_from_schema(json.dumps(schema))
    return re.fullmatch(pattern, text) is not None


def match_llguidance(schema, text):
    grammar = LLMatcher.grammar_from_json_schema(json.dumps(schema))
    matcher = LLMatcher(TOKENIZER, grammar)
    tokens = TOKENIZER.tokenize_str(text)
    if matcher.validate_tokens(tokens) < len(tokens):
        return False
    return matcher.consume_tokens(tokens) and matcher.is_accepting()


BOUNDED = {"type": "integer", "minimum": 10, "maximum": 20}
PATTERN = {"type": "string", "pattern": "b"}
STRING = {"type": "string"}
PAIR = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
}
CASES = [
    ("bounds, outside", BOUNDED, "99"),
    ("pattern, inner match", PATTERN, '"abc"'),
    ("escaped letter", STRING, '"\\u00e9"'),
    ("escaped slash", STRING, '"a\\/b"'),
    ("schema's order", PAIR, '{"a": 1, "b": 2}'),
    ("other order", PAIR, '{"b": 2, "a": 1}'),
]
for name, schema, text in CASES:
    outlines, llguidance = match_outlines(schema, text), match_llguidance(schema, text)
    print(f"{name} | outlines {outlines} | llguidance {llguidance}")
PYTHON
)

printf 'expected:\n%s\n\nactual:\n%s\n' "$expected" "$actual"
if [ "$actual" != "$expected" ]; then
    echo 'changed: the behaviour is no longer the one in the header' >&2
    exit 1
fi
