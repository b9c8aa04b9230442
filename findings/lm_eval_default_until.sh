#!/usr/bin/env bash
# lm-evaluation-harness ends every generation at the first blank line, unless the task says otherwise.
#
# Packages: lm-eval 0.4.13. Seen 2026-11-30, Python 3.11.
#
# Expected: a generate_until task that gives its generation_kwargs, here tokens and temperature for a chain of thought,
#           has these and no stop string: a chat model ends its turn by itself.
# Seen:     `until` is added, with the delimiter between few-shot examples, also where there are no examples. It is sent
#           to a chat endpoint as `stop: ["\n\n"]`, so that a solution ends after its first paragraph, before its answer,
#           and the score says that the model cannot solve the task.
#
# Output seen:
#   expected: {'max_gen_toks': 1024, 'temperature': 0.7, 'do_sample': True}
#   actual:   {'max_gen_toks': 1024, 'temperature': 0.7, 'do_sample': True, 'until': ['\n\n']}
#
# Exits with 1 if the behaviour changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "lm-eval==0.4.13"

"$folder/venv/bin/python" - 2>/dev/null <<'PYTHON'
import sys

from lm_eval.api.task import TaskConfig

wanted = {"max_gen_toks": 1024, "temperature": 0.7, "do_sample": True}
config = TaskConfig(task="sums", output_type="generate_until", num_fewshot=0, generation_kwargs=dict(wanted))
print("expected:", wanted)
print("actual:  ", config.generation_kwargs)
sys.exit(0 if config.generation_kwargs == {**wanted, "until": ["\n\n"]} else 1)
PYTHON
