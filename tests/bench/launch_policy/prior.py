"""A prior learned on one half of each bank, and what it saves on the other half."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cogitate.server.evaluation.learn_prior import count_votes, learn_prior
from cogitate.server.evaluation.question import Question
from cogitate.strategies.core.vote_prior import VotePrior
from tests.bench.launch_policy.arms import GROUPS
from tests.bench.launch_policy.measured import Measured, estimate, gain, measure_arm, token_ratio
from tests.bench.report import say
from tests.bench.vote_banks import VoteBank

CONFIDENCES = (0.95, 0.99, 0.995)
REPEATS = {"math500": 2, "gpqa_diamond": 8, "aime2024": 8, "aime2025": 8}
VOTE = "self_consistency:n=64"
Pair = tuple[Measured, Measured]


@dataclass(frozen=True, slots=True)
class Half:
    """The questions that a prior is checked on, and the prior of the others."""

    questions: Sequence[Question]
    prior: VotePrior


def split_bank(stored: VoteBank) -> list[Half]:
    """Split a bank into its even and its odd questions, each with the prior of the other half."""
    halves = [stored.questions[0::2], stored.questions[1::2]]
    priors = [learn_prior([count_votes(question, stored.bank) for question in half]).prior for half in halves]
    return [Half(halves[0], priors[1]), Half(halves[1], priors[0])]


def join(parts: Sequence[Measured]) -> Measured:
    return Measured(*(np.concatenate([getattr(part, name) for part in parts]) for name in Measured.__slots__))


def measure_halves(arm: str, stored: VoteBank, halves: Sequence[Half], *, learned: bool) -> Measured:
    """Measure a vote on both halves, each with the prior of the other, or with none."""
    return join(
        [
            measure_arm(arm, half.questions, stored.bank, REPEATS[stored.task], half.prior if learned else None)
            for half in halves
        ]
    )


def prior_rows(banks: list[VoteBank]) -> Iterator[str]:
    yield "| bank | shapes learned | confidence | accuracy over no prior, points | tokens over no prior |"
    yield "|---|---|--:|--:|--:|"
    pairs: dict[tuple[str, float], list[Pair]] = {}
    for stored in banks:
        say(f"{stored.task}, {stored.model}")
        halves = split_bank(stored)
        uniform = measure_halves(VOTE, stored, halves, learned=False)
        shapes = "; ".join(f"{h.prior.majority:.2g}, {h.prior.second:.2g}, {h.prior.others:.2g}" for h in halves)
        for confidence in CONFIDENCES:
            learned = measure_halves(f"{VOTE},confidence={confidence}", stored, halves, learned=True)
            pair = (learned, uniform)
            pairs.setdefault((stored.task, confidence), []).append(pair)
            yield f"| {stored.task}, {stored.model} | {shapes} | {confidence} | {format_pairs([pair])} |"
    for group, (prefix, _) in GROUPS.items():
        for confidence in CONFIDENCES:
            of_group = [
                p for (task, at), ps in pairs.items() if task.startswith(prefix) and at == confidence for p in ps
            ]
            yield f"| {group}, mean of banks | | {confidence} | {format_pairs(of_group)} |"


def format_pairs(pairs: Sequence[Pair]) -> str:
    points, ratio = estimate(gain, pairs), estimate(token_ratio, pairs)
    return "{:+.2f} ({:+.2f} to {:+.2f}) | ".format(*points) + "{:.2f} ({:.2f} to {:.2f})".format(*ratio)
