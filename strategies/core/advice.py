"""What a person wants to know before choosing a strategy: what it is for, what it is not for, and its price."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    when: str
    when_not: str
    cost: str
    """In answers, each of at most max_tokens; `cost()` of the strategy is the same as a bound in tokens."""


ADVICE: Mapping[str, Advice] = {
    "chain_of_thought": Advice(
        when="one answer, with its steps; the cheapest",
        when_not="a model that thinks before it answers anyway, and questions that are felt rather than worked out",
        cost="1 answer",
    ),
    "self_consistency": Advice(
        when="questions with one short answer; the best value",
        when_not="prose and code, where no two answers are the same; a model that is more often wrong in one and the "
        "same way than right",
        cost="at most n answers, fewer once the vote is decided, less of those that fall below a floor; with p_true or "
        "verifier a token more each",
    ),
    "best_of_n": Advice(
        when="answers that a verifier can tell apart",
        when_not="no better verifier than the model itself, above all with a large n: the best score then finds the "
        "verifier's mistakes",
        cost="n answers, n verdicts (of `pairwise`: at most 16n)",
    ),
    "beam_search": Advice(
        when="long solutions, with a verifier of steps",
        when_not="easy questions, where its beams only look alike; a verifier that was not made for unfinished "
        "solutions; a model that writes no steps, each with an empty line behind it",
        cost="about n answers, a verdict for each step; each step of lookahead as much again",
    ),
    "dvts": Advice(
        when="long solutions, with a verifier of steps and a large n",
        when_not="a small n, which leaves each tree too few leaves: beam_search; and whatever is no use to that",
        cost="about n answers, a verdict for each step",
    ),
    "particle_filter": Advice(
        when="long solutions, with a verifier that errs now and then",
        when_not="few particles, which soon are copies of one; a verifier that is always sure, right or wrong",
        cost="about n answers in each iteration, a verdict for each step",
    ),
    "budget_forcing": Advice(
        when="a model that thinks too little, or too long",
        when_not="a model that does not think in tags of its own; asking for more thought than it has been trained to, "
        "which goes round in circles",
        cost="1 answer, of at most max_tokens with its thinking; 20 tokens a probe",
    ),
    "self_refine": Advice(
        when="prose and code, with a verifier that can tell",
        when_not="sums: a model that is asked to find a mistake finds one, right or wrong; and no verifier at all",
        cost="1 answer, and for each round another, a verdict, and notes of at most 1024 tokens (none in a tree)",
    ),
    "selection": Advice(
        when="prose and code, which no vote can count",
        when_not="short answers, which a vote counts for nothing; a weak model, which chooses no better than chance",
        cost="n answers, 1 to 2n verdicts of at most 1024 tokens",
    ),
    "synthesis": Advice(
        when="hard questions on a strong model, and prose",
        when_not="a weak model, which copies what it is shown; a context too short for k answers and one more",
        cost="n answers a round, each reading k others; fewer once they agree",
    ),
    "program_aided": Advice(
        when="arithmetic and counting; needs `--code-exec`",
        when_not="what no program computes: knowledge, proofs, prose; a model that has not learnt to program",
        cost="at most n answers and n runs of a program, fewer once the vote is decided",
    ),
    "auto": Advice(
        when="questions of any kind, easy ones cheaply",
        when_not="questions that are all hard, which cost it as much as all n votes; where a verifier of steps is at "
        "hand, which it does not use",
        cost="4 answers where they agree, at most n + 1",
    ),
}
