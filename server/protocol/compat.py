"""What clients of other inference-time scaling servers send, understood where the meaning is the same.

| they send                                   | it means here                                                  |
|---------------------------------------------|----------------------------------------------------------------|
| body `optillm_approach` (optillm)           | the strategy; `none` and `proxy`: no strategy                  |
| body `tts_strategy` (ThinkBooster)          | the strategy; `baseline`: no strategy                          |
| body `tts_scorer` (ThinkBooster)            | that strategy's verifier: `prm` is `reward`                    |
| body `budget`, a number (its_hub)           | n; with no strategy named, that of self_consistency            |
| header `X-ITS-Budget` (its_hub)             | the same, and it wins over the body's                          |
| header `X-ITS-Endpoint`, `X-ITS-API-Key`    | refused: a request does not choose the server it is sent on to |

Approaches without a counterpart are refused by name, and so is saying two different things in two of these ways.
"""

import re
from collections.abc import Mapping
from typing import Any

from cogitate.server.errors import BadRequest, Unsupported

Raw = dict[str, Any]

APPROACHES: Mapping[str, Mapping[str, str | None]] = {
    "optillm_approach": {
        "none": None,
        "proxy": None,
        "bon": "best_of_n",
        "self_consistency": "self_consistency",
        "majority_voting": "self_consistency",
    },
    "tts_strategy": {
        "baseline": None,
        "offline_bon": "best_of_n",
        "offline_best_of_n": "best_of_n",
        "self_consistency": "self_consistency",
        "beam_search": "beam_search",
    },
}
SCORERS = {"prm": "reward", "reward": "reward"}
COUNT = re.compile(r"[0-9]{1,9}")
REFUSED = ("x-its-endpoint", "x-its-api-key")


def translate(body: object, headers: Mapping[str, str], served: str) -> object:
    """The body with every alias said in our own words. `served`: the model's name. Raises BadRequest."""
    for name in REFUSED:
        if name in headers:
            raise Unsupported(f"{name}: a request does not choose the server it is sent on to.", param=name)
    if not isinstance(body, dict):
        return body
    said = dict(body)
    for field in APPROACHES:
        if field in said:
            _approach(said, field, served)
    if "tts_scorer" in said:
        _scorer(said)
    samples = headers.get("x-its-budget", said.get("budget"))
    if isinstance(samples, int | str) and not isinstance(samples, bool):
        said.pop("budget", None)
        _samples(said, samples, "X-ITS-Budget" if "x-its-budget" in headers else "budget", served)
    return said


def _approach(said: Raw, field: str, served: str) -> None:
    approach, known = said.pop(field), APPROACHES[field]
    if not isinstance(approach, str) or approach not in known:
        names = ", ".join(known)
        raise BadRequest(f"{field} has no counterpart here; those that have: {names}.", param=field)
    strategy = known[approach]
    if strategy is not None:
        _agree(said, field, "name", strategy)
    elif said.get("strategy") is not None or _named(said, served):
        raise BadRequest(f"{field} says that there is no strategy, and the request names one.", param=field)


def _scorer(said: Raw) -> None:
    scorer = said.pop("tts_scorer")
    if not isinstance(scorer, str) or scorer not in SCORERS:
        raise BadRequest(
            f"tts_scorer has no counterpart here; those that have: {', '.join(SCORERS)}.", param="tts_scorer"
        )
    _agree(said, "tts_scorer", "verifier", SCORERS[scorer])


def _samples(said: Raw, samples: int | str, field: str, served: str) -> None:
    if isinstance(samples, str) and not COUNT.fullmatch(samples.strip()):
        raise BadRequest(f"{field} must be a number of samples.", param=field)
    if said.get("strategy") is None and not _named(said, served):
        said["strategy"] = "self_consistency"
    _agree(said, field, "n", int(samples))


def _named(said: Raw, served: str) -> bool:
    """Whether the model's name asks for a strategy."""
    return str(said.get("model")).startswith(f"{served}@")


def _agree(said: Raw, field: str, option: str, value: object) -> None:
    """Puts an option into the strategy, which the model may name.

    Raises BadRequest where another value stands there.
    """
    strategy = said.get("strategy")
    if isinstance(strategy, str):
        strategy = {"name": strategy}
    if strategy is None:
        strategy = {}
    if not isinstance(strategy, dict) or strategy.get(option, value) != value:
        raise BadRequest(f"{field} says another {option} than strategy does.", param=field)
    said["strategy"] = strategy | {option: value}
