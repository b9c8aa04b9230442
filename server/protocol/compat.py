"""Translates request fields that stand for options of the strategy: ours beside it, and those of other servers.

Of other inference-time scaling servers, those whose meaning is the same.

| field                                       | translated to                                                  |
|---------------------------------------------|----------------------------------------------------------------|
| body `optillm_approach` (optillm)           | the strategy; `none` and `proxy`: no strategy                  |
| body `tts_strategy` (ThinkBooster)          | the strategy; `baseline`: no strategy                          |
| body `tts_scorer` (ThinkBooster)            | that strategy's verifier: `prm` is `reward`                    |
| body `budget`, a number (its_hub)           | n; without a strategy, that of self_consistency                |
| header `X-ITS-Budget` (its_hub)             | the same, and it wins over the body's                          |
| body `models`, `order`, `verifier_model`,   | the strategy's options of these names                          |
| `synthesis_model` (ours)                    |                                                                |
| header `X-ITS-Endpoint`, `X-ITS-API-Key`    | an error: a request cannot choose the upstream server          |

An approach without a counterpart is an error that names it, and so are contradictory values in two of these fields.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from cogitate.server.errors import BadRequest, UnsupportedParameter

JSONObject = dict[str, Any]

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
SAMPLE_COUNT = re.compile(r"[0-9]{1,9}")
UNSUPPORTED_HEADERS = ("x-its-endpoint", "x-its-api-key")
HEADERS = frozenset({"x-its-budget", *UNSUPPORTED_HEADERS})
OPTIONS = ("models", "order", "verifier_model", "synthesis_model")
"""Options of the strategy that may stand beside it."""
FIELDS = frozenset({*APPROACHES, *OPTIONS, "tts_scorer", "budget"})
"""Without any of these headers and fields there is nothing to translate."""


def translate(body: object, headers: Mapping[str, str], models: Collection[str]) -> object:
    """Replace every foreign field by ours. `models`: the names of the served models. Raises BadRequest."""
    for name in UNSUPPORTED_HEADERS:
        if name in headers:
            raise UnsupportedParameter(
                f"{name}: a request cannot choose the upstream server: omit the header.", param=name
            )
    if not isinstance(body, dict):
        return body
    body = dict(body)
    for field in APPROACHES:
        if field in body:
            _translate_approach(body, field, models)
    if "tts_scorer" in body:
        _translate_scorer(body)
    _move_options(body, models)
    samples = headers.get("x-its-budget", body.get("budget"))
    if isinstance(samples, int | str) and not isinstance(samples, bool):
        body.pop("budget", None)
        _translate_sample_count(body, samples, "X-ITS-Budget" if "x-its-budget" in headers else "budget", models)
    return body


def _translate_approach(body: JSONObject, field: str, models: Collection[str]) -> None:
    approach, known = body.pop(field), APPROACHES[field]
    if not isinstance(approach, str) or approach not in known:
        names = ", ".join(known)
        raise BadRequest(f"{field} has no counterpart here; those that have one: {names}.", param=field)
    strategy = known[approach]
    if strategy is not None:
        _set_option(body, field, "name", strategy)
    elif body.get("strategy") is not None or _model_names_strategy(body, models):
        raise BadRequest(f"{field} asks for no strategy, and the request names one: omit one of them.", param=field)


def _move_options(body: JSONObject, models: Collection[str]) -> None:
    for option in OPTIONS:
        value = body.pop(option, None)
        if value is None:
            continue
        if body.get("strategy") is None and not _model_names_strategy(body, models):
            raise UnsupportedParameter(f"{option} is an option of a strategy: name one in strategy.", param=option)
        _set_option(body, option, option, value)


def _translate_scorer(body: JSONObject) -> None:
    scorer = body.pop("tts_scorer")
    if not isinstance(scorer, str) or scorer not in SCORERS:
        names = ", ".join(SCORERS)
        raise BadRequest(f"tts_scorer has no counterpart here; those that have one: {names}.", param="tts_scorer")
    _set_option(body, "tts_scorer", "verifier", SCORERS[scorer])


def _translate_sample_count(body: JSONObject, samples: int | str, field: str, models: Collection[str]) -> None:
    if isinstance(samples, str) and not SAMPLE_COUNT.fullmatch(samples.strip()):
        raise BadRequest(f"{field} must be a number of samples.", param=field)
    if body.get("strategy") is None and not _model_names_strategy(body, models):
        body["strategy"] = "self_consistency"
    _set_option(body, field, "n", int(samples))


def _model_names_strategy(body: JSONObject, models: Collection[str]) -> bool:
    name, at, _ = str(body.get("model")).rpartition("@")
    return bool(at) and name in models


def _set_option(body: JSONObject, field: str, option: str, value: object) -> None:
    """Set an option of the strategy; the model's name may select the strategy itself.

    Raises BadRequest where the option has another value already.
    """
    strategy = body.get("strategy")
    if isinstance(strategy, str):
        strategy = {"name": strategy}
    if strategy is None:
        strategy = {}
    if not isinstance(strategy, dict) or strategy.get(option, value) != value:
        message = f"{field} sets another {option} than strategy does: set it in one of them."
        raise BadRequest(message, param=field)
    body["strategy"] = strategy | {option: value}
