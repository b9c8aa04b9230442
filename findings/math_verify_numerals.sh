#!/usr/bin/env bash
# Plain numerals are read as another number than mathematics or programs mean.
#
# Versions: math-verify 0.9.0, latex2sympy2-extended 1.11.0, sympy 1.14.0, Python 3.11.
#
# Guess: 2(3) is a product, the base in 101_2 counts, 1e3 is a thousand, and \lg is a
#   logarithm as \log is.
# Behaviour: two adjacent integers are summed as if they were a mixed number, so 2(3) is 5,
#   while 2.0(3) is 6. The base subscript of a number is dropped: 101_2 equals 101_3 and not 5.
#   The e of 1e3 is Euler's number, so 1e3 equals 3e. \lg is dropped: \lg 100 is not 2.
# Consequence: right answers in scientific notation or in another base are graded as wrong,
#   and wrong ones as right; spell them as \times 10^{n} or in base ten first.
#
# Output seen:
#   2(3) | 5 | True
#   2(3) | 6 | False
#   2.0(3) | 6 | True
#   101_2 | 101_3 | True
#   101_2 | 5 | False
#   1e3 | 1000 | False
#   1e3 | 3e | True
#   \lg 100 | 2 | False
#   \log 100 | 2 | True
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    "math-verify[antlr4_13_2]==0.9.0" "latex2sympy2-extended==1.11.0" "sympy==1.14.0"

expected=$(cat <<'TEXT'
2(3) | 5 | True
2(3) | 6 | False
2.0(3) | 6 | True
101_2 | 101_3 | True
101_2 | 5 | False
1e3 | 1000 | False
1e3 | 3e | True
\lg 100 | 2 | False
\log 100 | 2 | True
TEXT
)

actual=$("$folder/venv/bin/python" - <<'PYTHON'
from math_verify import parse, verify

PAIRS = [
    ("2(3)", "5"),
    ("2(3)", "6"),
    ("2.0(3)", "6"),
    ("101_2", "101_3"),
    ("101_2", "5"),
    ("1e3", "1000"),
    ("1e3", "3e"),
    ("\\lg 100", "2"),
    ("\\log 100", "2"),
]
for left, right in PAIRS:
    first, second = (parse(f"${text}$") for text in (left, right))
    print(left, "|", right, "|", verify(first, second))
PYTHON
)

printf 'expected:\n%s\n\nactual:\n%s\n' "$expected" "$actual"
if [ "$actual" != "$expected" ]; then
    echo 'changed: the behaviour is no longer the one in the header' >&2
    exit 1
fi
