"""What each of a search's models did, computed from its events."""

from collections import defaultdict
from dataclasses import dataclass, field

from cogitate.strategies.core.events import CANDIDATE_ROLES, Aborted, Failed, Sampled
from cogitate.strategies.core.trace import Trace


@dataclass(slots=True)
class ModelUsage:
    """What one of several models did."""

    candidates: int = 0
    """Answers that ran to their end."""
    completion: int = 0
    """All tokens decoded."""
    failures: list[str] = field(default_factory=list)
    """The reason of each decode that failed."""


def usage_by_model(trace: Trace, own_model: str) -> dict[str, ModelUsage]:
    """Return what each model did, by name. `own_model`: the name of the request's own, whose prompts name none."""
    models = defaultdict[str, ModelUsage](ModelUsage)
    for event in trace:
        if isinstance(event, Sampled | Aborted):
            own = models[event.completion.prompt.model or own_model]
            own.completion += 0 if event.completion.reused else event.completion.completion_tokens
            own.candidates += isinstance(event, Sampled) and event.role in CANDIDATE_ROLES
        elif isinstance(event, Failed):
            models[event.model or own_model].failures.append(event.reason)
    return models
