#!/usr/bin/env bash
# Dates, clock times and phone numbers are compared as arithmetic.
#
# Versions: math-verify 0.9.0, latex2sympy2-extended 1.11.0, sympy 1.14.0, Python 3.11.
#
# Guess: an answer that is no formula falls back to a comparison of the text, so two
#   different dates differ.
# Behaviour: within \boxed{} the hyphens of an ISO date are read as subtraction and the
#   colon of a clock time as a ratio. 2024-03-05 and 2024-05-03 are both 2016, 12:30 and
#   2:05 are both 2/5, and verify() calls them equal.
# Consequence: a benchmark or a vote on dates needs a check ahead of the verifier.
#
# Output seen:
#   2024-03-05 2024-05-03 True
#   2024-03-05 2016 True
#   12:30 2:05 True
#   555-1234 -679 True
#   2024-03-05 2024-03-06 False
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    "math-verify[antlr4_13_2]==0.9.0" "latex2sympy2-extended==1.11.0" "sympy==1.14.0"

expected=$(cat <<'TEXT'
2024-03-05 2024-05-03 True
2024-03-05 2016 True
12:30 2:05 True
555-1234 -679 True
2024-03-05 2024-03-06 False
TEXT
)

actual=$("$folder/venv/bin/python" - <<'PYTHON'
from math_verify import parse, verify

PAIRS = [
    ("2024-03-05", "2024-05-03"),
    ("2024-03-05", "2016"),
    ("12:30", "2:05"),
    ("555-1234", "-679"),
    ("2024-03-05", "2024-03-06"),
]
for left, right in PAIRS:
    first, second = (parse(f"\\boxed{{{text}}}") for text in (left, right))
    print(left, right, verify(first, second))
PYTHON
)

printf 'expected:\n%s\n\nactual:\n%s\n' "$expected" "$actual"
if [ "$actual" != "$expected" ]; then
    echo 'changed: the behaviour is no longer the one in the header' >&2
    exit 1
fi
