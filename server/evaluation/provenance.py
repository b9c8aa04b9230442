"""How a thing was made, as a short digest: what was made otherwise is another thing, whatever its name."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict

from cogitate.server.evaluation.live_request import Asking
from cogitate.server.evaluation.question import Question
from cogitate.server.evaluation.sample import Recipe, Sample


def digest(*parts: object) -> str:
    """The same for the same values of JSON, in every process."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def live(asking: Asking, question: Question) -> str:
    """Of results that a server gave."""
    return digest(asdict(asking), *graded(question), question.shots)


def replayed(recipe: Recipe, samples: Iterable[Sample], question: Question) -> str:
    """Of results over these samples of the question."""
    return digest(asdict(recipe), [sample.text for sample in samples], *graded(question))


def graded(question: Question) -> tuple[str, str, str]:
    """What is asked, and all that an answer is held against."""
    return question.text, question.gold, str(question.entry.get("test", ""))
