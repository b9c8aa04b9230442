"""Digests of how results are produced: stale results, of another digest, are computed again."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict

from cogitate.server.evaluation.live_request import RequestSettings
from cogitate.server.evaluation.question import Question
from cogitate.server.evaluation.sample import Recipe, Sample
from cogitate.strategies.core.vote_prior import VotePrior


def digest(*parts: object) -> str:
    """Return 16 hex digits, equal for equal JSON values in every process."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def live_digest(settings: RequestSettings, question: Question) -> str:
    """Return the digest of results from a server."""
    return digest(asdict(settings), *_content(question), question.shots)


def replay_digest(recipe: Recipe, samples: Iterable[Sample], question: Question, prior: VotePrior | None = None) -> str:
    """Return the digest of results from these samples of the question."""
    learned = [asdict(prior)] if prior else []
    return digest(asdict(recipe), [sample.text for sample in samples], *_content(question), *learned)


def _content(question: Question) -> tuple[str, str, str]:
    """The question's text, and all that its answers are graded by."""
    return question.text, question.gold, str(question.entry.get("test", ""))
