"""The rows about reading and comparing answers (X, D1 to D9, D12, D13): votes with the real prover, and real grades."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cogitate.server.equivalence.pool import EquivalencePool
from cogitate.server.evaluation.datasets import build_question
from cogitate.strategies.answers import canonical, extract
from cogitate.strategies.core.events import Finished
from cogitate.strategies.core.execute import execute
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.self_consistency import SelfConsistency
from tests.bench.reports.line import Line
from tests.fakes.run import build_session

Case = dict[str, Any]
CASES: list[Case] = [
    json.loads(line) for line in Path(__file__).with_name("answers.jsonl").read_text(encoding="utf-8").splitlines()
]
PROOF_SECONDS = 10
SURE, UNSURE = -0.01, -1.0
"""Log-probabilities: the last, odd reply is the likelier one."""


def run_answers() -> list[Line]:
    return [*(read_reply(case) for case in CASES if "reply" in case), *asyncio.run(run_votes()), *grade_rows()]


def read_reply(case: Case) -> Line:
    answer = extract(case["reply"], case["format"], case["question"])
    keys = [None if key is None else canonical(key, case["format"]) for key in case["right"]]
    is_met = (answer.key if answer else None) in keys
    wanted = " or ".join("no answer" if key is None else key for key in case["right"])
    return Line(
        case["row"], f"{case['format']}: {case['reply']}", wanted, answer.raw if answer else "no answer", is_met
    )


async def run_votes() -> list[Line]:
    pool = EquivalencePool(seconds=PROOF_SECONDS)
    try:
        pairs = [await vote_on_pair(case, pool) for case in CASES if "a" in case]
        return pairs + [await vote_on_replies(case, pool) for case in CASES if "replies" in case]
    finally:
        await pool.close()


async def vote_on_pair(case: Case, pool: EquivalencePool) -> Line:
    """Three replies with one answer, one with the other: agreement 1 where they are one class, else 0.75."""
    a, b = case["a"], case["b"]
    finished = await vote([rf"\boxed{{{a}}}"] * 3 + [rf"\boxed{{{b}}}"], case, pool)
    outcome = finished.outcome
    assert outcome is not None
    now = {1.0: "equal", 0.75: "different"}.get(outcome.agreement or 0, f"agreement {outcome.agreement}")
    is_met = case["right"] == now or (case["right"] == "either" and now in ("equal", "different"))
    return Line(case["row"], f"{a} ~ {b}", case["right"], now, is_met)


async def vote_on_replies(case: Case, pool: EquivalencePool) -> Line:
    outcome = (await vote(case["replies"], case, pool)).outcome
    assert outcome is not None
    is_met = (
        outcome.answer is not None
        and canonical(outcome.answer.raw) in map(canonical, case["right"])
        and abs((outcome.agreement or 0) - case["agreement"]) < 0.01
    )
    now = f"{outcome.answer.raw if outcome.answer else 'no answer'}, {outcome.agreement}"
    shown = f"{case['question']} Replies: {'; '.join(case['replies'])}"
    return Line(case["row"], shown, f"{' or '.join(case['right'])}, {case['agreement']}", now, is_met)


async def vote(replies: Sequence[str], case: Case, pool: EquivalencePool) -> Finished:
    """Self-consistency over the replies, the last of which is the likeliest."""
    engine = ScriptedEngine(replies, logprob=lambda call: SURE if call == len(replies) - 1 else UNSURE)
    session = replace(build_session(engine, answer_format=case.get("format", "auto")), prover=pool)
    strategy = SelfConsistency(n=len(replies), stop_rule="none", answer_format=case.get("format", "auto"))
    return await execute(strategy, Prompt((Message("user", case["question"]),)), session)


def grade_rows() -> Iterator[Line]:
    """Grades of `cogitate eval` on rows of MATH."""
    for case in CASES:
        if "gold" in case:
            gold, answer = case["gold"], case["answer"]
            row = build_question("math:0", {"problem": "What is it?", "solution": rf"So it is $\boxed{{{gold}}}$."})
            is_right = row.is_right(extract(rf"\boxed{{{answer}}}", "auto", "What is it?"))
            now = "right" if is_right else "wrong"
            yield Line(case["row"], f"gold {gold}, answer {answer}", case["right"], now, is_right)
