"""Votes of 16 over an upstream of lognormal latency: banks whose samples take 1000 tokens in the median."""

import random

from cogitate.server.evaluation.datasets import build_question
from cogitate.server.evaluation.sample import Recipe, Sample
from cogitate.server.evaluation.sample_bank import Bank
from tests.bench.vote_banks import VoteBank

RIGHT, WRONG = "72", ("71", "42", "70")
MEDIAN_TOKENS, SIGMA = 1000, 0.5


def build_lognormal_bank(share: float, n: int, size: int) -> VoteBank:
    """Build a bank of `size` questions with n samples each, of which `share` are right."""
    rng = random.Random(f"{share}/{n}")
    task = f"lognormal-{share}"
    bank = Bank(Recipe(task=task, model="none", instruction=""))
    questions = [build_question(f"{task}:{at}", {"question": "6*7 + 30?", "answer": RIGHT}) for at in range(size)]
    for question in questions:
        for index in range(n):
            answer = RIGHT if rng.random() < share else rng.choice(WRONG)
            tokens = round(MEDIAN_TOKENS * rng.lognormvariate(0, SIGMA))
            bank.add(
                Sample(
                    question=question.id,
                    index=index,
                    seed=index,
                    text=f"\\boxed{{{answer}}}",
                    finish="stop",
                    tokens=tokens,
                    prompt_tokens=0,
                )
            )
    return VoteBank(task, "none", questions, bank)
