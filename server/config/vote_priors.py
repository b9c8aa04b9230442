"""The file of --vote-priors: priors on votes by model, or by model and preset, that `cogitate eval` learned.

{"Qwen3-14B": {"majority": 1.8, "second": 0.04, "others": 0.02, "questions": 500}, "Qwen3-14B@careful": {...}}
"""

import json
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from cogitate.strategies.core.vote_prior import VotePrior

MAX_SHAPE = 1000.0


class InvalidVotePriors(ValueError):
    """The file cannot be read, or is none of priors. The message is one line that names the file."""


class StoredPrior(BaseModel):
    """The shape of one prior, and what it was learned from."""

    model_config = ConfigDict(extra="forbid")

    majority: float = Field(gt=0, le=MAX_SHAPE)
    second: float = Field(gt=0, le=MAX_SHAPE)
    others: float = Field(gt=0, le=MAX_SHAPE)
    questions: int = Field(ge=1)

    @property
    def prior(self) -> VotePrior:
        """The prior that strategies use."""
        return VotePrior(self.majority, self.second, self.others)


_FILE = TypeAdapter(dict[str, StoredPrior])


@lru_cache(maxsize=4)
def read_vote_priors(path: Path) -> dict[str, StoredPrior]:
    """Read a file, once for this process. Raises InvalidVotePriors."""
    try:
        return _FILE.validate_json(path.expanduser().read_bytes())
    except OSError as error:
        raise InvalidVotePriors(f"{path} cannot be read: {error.strerror or error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidVotePriors(f"{path} is no file of priors: {where}: {first['msg']}") from None


def check_vote_priors(path: Path | None) -> Path | None:
    """Return the path of a file that can be read. Raises InvalidVotePriors."""
    if path:
        read_vote_priors(path)
    return path


def add_vote_prior(path: Path, name: str, prior: StoredPrior) -> None:
    """Add a prior to a file, or replace the one of that name. Raises InvalidVotePriors, OSError."""
    priors = {**(read_vote_priors(path) if path.exists() else {}), name: prior}
    content = {key: value.model_dump() for key, value in sorted(priors.items())}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")
    read_vote_priors.cache_clear()


def find_vote_prior(path: Path | None, model: str, preset: str) -> VotePrior | None:
    """Return the prior of the model's preset, or else the model's; None where there is none."""
    if path is None:
        return None
    priors = read_vote_priors(path)
    found = priors.get(f"{model}@{preset}") or priors.get(model)
    return found.prior if found else None
