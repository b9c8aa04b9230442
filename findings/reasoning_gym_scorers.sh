#!/usr/bin/env bash
# Two scorers give full marks to the opposite of the right answer.
#
# Version: reasoning-gym 0.1.25, Python 3.11.
#
# Guess: score_answer() of a task with one exact answer gives 1.0 to that answer only.
# Behaviour: game_of_life_halting compares the truth values of two strings. Both "True" and
#   "False" are non-empty, so any non-empty reply scores 1.0, whatever the right answer is.
#   gsm_symbolic looks for the first number that starts at a word boundary. A leading minus
#   sign is not part of it, so the negated answer scores 1.0; a thousands separator ends the
#   number, so the right answer 1,585 scores 0.01.
# Consequence: accuracy on the first task is always 1 for a model that replies at all; write
#   a scorer of your own for both tasks.
#
# Output seen:
#   halting True [1.0]
#   halting False [1.0]
#   halting undecided [1.0]
#   halting right answers ['False', 'True']
#   gsm 1585 1.0
#   gsm -1585 1.0
#   gsm 1,585 0.01
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    "reasoning-gym==0.1.25"

expected=$(cat <<'TEXT'
halting True [1.0]
halting False [1.0]
halting undecided [1.0]
halting right answers ['False', 'True']
gsm 1585 1.0
gsm -1585 1.0
gsm 1,585 0.01
TEXT
)

actual=$("$folder/venv/bin/python" - <<'PYTHON'
from reasoning_gym import create_dataset

halting = create_dataset("game_of_life_halting", seed=1, size=30)
for answer in ("True", "False", "undecided"):
    scores = {halting.score_answer(answer, entry) for entry in halting}
    print("halting", answer, sorted(scores))
print("halting right answers", sorted({entry["answer"] for entry in halting}))

problems = create_dataset("gsm_symbolic", seed=1, size=30)
entry = next(e for e in problems if int(e["answer"]) > 999)
value = int(entry["answer"])
for answer in (f"{value}", f"-{value}", f"{value:,}"):
    print("gsm", answer, problems.score_answer(answer, entry))
PYTHON
)

printf 'expected:\n%s\n\nactual:\n%s\n' "$expected" "$actual"
if [ "$actual" != "$expected" ]; then
    echo 'changed: the behaviour is no longer the one in the header' >&2
    exit 1
fi
