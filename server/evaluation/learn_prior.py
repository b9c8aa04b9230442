"""Learns the shape of the prior on votes from a bank: a maximum-likelihood fit to three counts of each question."""

import argparse
import importlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

from cogitate.server.config.vote_priors import (
    MAX_SHAPE,
    InvalidVotePriors,
    StoredPrior,
    add_vote_prior,
    find_vote_prior,
)
from cogitate.server.evaluation.errors import CannotEvaluate
from cogitate.server.evaluation.progress import note
from cogitate.server.evaluation.question import Question
from cogitate.server.evaluation.replay_engine import to_completion
from cogitate.server.evaluation.sample import Recipe
from cogitate.server.evaluation.sample_bank import Bank
from cogitate.strategies.core.answer_reader import AnswerReader
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.vote_prior import VotePrior

MIN_QUESTIONS = 10
MIN_SHAPE = 1e-3
START = (1.0, -1.0, -1.0)
"""Logarithms of the shape that the search starts from."""
Counts = tuple[int, int, int]
"""Votes for the majority answer, the second, and all others."""


class BadPriorFile(CannotEvaluate):
    """The file of --prior-out or --vote-priors cannot be read or written, or is none of priors."""


class TooFewVotes(CannotEvaluate):
    """The bank has too few questions with votes to learn a prior from."""


def count_votes(question: Question, bank: Bank) -> Counts:
    """Count the answers of a question's samples, by their canonical form."""
    reader, prompt = AnswerReader(), Prompt((Message("user", question.text),))
    answers = (reader.read(to_completion(prompt, sample)) for sample in bank.non_greedy(question.id))
    ordered = [count for _, count in Counter(answer.key for answer in answers if answer).most_common()]
    first, second, *others = [*ordered, 0, 0]
    return first, second, sum(others)


def learn_prior(votes: Sequence[Counts]) -> StoredPrior:
    """Fit a Dirichlet-multinomial distribution to the votes of many questions. Raises TooFewVotes.

    scipy is imported here and not with the module, because it belongs to the extra `eval`.
    """
    counted = [counts for counts in votes if sum(counts)]
    if len(counted) < MIN_QUESTIONS:
        raise TooFewVotes(f"a prior needs the votes of {MIN_QUESTIONS} questions or more; the bank has {len(counted)}")
    numpy, special = importlib.import_module("numpy"), importlib.import_module("scipy.special")
    table = numpy.array(counted, dtype=float)
    totals = table.sum(axis=1)

    def loss(logarithms: Any) -> Any:  # noqa: ANN401 numpy's arrays
        shape = numpy.exp(logarithms)
        whole = special.gammaln(shape.sum()) - special.gammaln(shape.sum() + totals)
        parts = special.gammaln(shape + table) - special.gammaln(shape)
        return -(whole + parts.sum(axis=1)).sum()

    bounds = [tuple(numpy.log((MIN_SHAPE, MAX_SHAPE)))] * len(START)
    found = importlib.import_module("scipy.optimize").minimize(loss, START, method="Nelder-Mead", bounds=bounds)
    majority, second, others = (round(float(value), 4) for value in numpy.exp(found.x))
    return StoredPrior(majority=majority, second=second, others=others, questions=len(counted))


def prior_name(args: argparse.Namespace, recipe: Recipe) -> str:
    """The name under which the prior of a bank is stored: NAME or NAME@PRESET."""
    return args.prior_name or recipe.model


def read_prior(args: argparse.Namespace, recipe: Recipe) -> VotePrior | None:
    """Read the prior to replay with; None without --vote-priors. Raises BadPriorFile."""
    model, _, preset = prior_name(args, recipe).partition("@")
    try:
        prior = find_vote_prior(args.vote_priors, model, preset)
    except InvalidVotePriors as error:
        raise BadPriorFile(f"--vote-priors: {error}") from None
    if args.vote_priors and prior is None:
        raise BadPriorFile(f"--vote-priors: {args.vote_priors} has no prior of {prior_name(args, recipe)}")
    return prior


def write_prior(args: argparse.Namespace, questions: Sequence[Question], bank: Bank) -> None:
    """Learn a prior from the bank, and add it to the file of --prior-out. Raises BadPriorFile, TooFewVotes."""
    name, learned = prior_name(args, bank.recipe), learn_prior([count_votes(question, bank) for question in questions])
    try:
        add_vote_prior(args.prior_out, name, learned)
    except (OSError, InvalidVotePriors) as error:
        raise BadPriorFile(f"--prior-out {args.prior_out}: {error}") from None
    note(f"{args.prior_out} has the prior of {name}, from the votes on {learned.questions} questions")
