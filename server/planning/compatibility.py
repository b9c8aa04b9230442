"""Rejects requests that the strategy, the engine or the key does not support; no field is ignored. Pure functions."""

from collections.abc import Mapping

from cogitate.server.auth.caller import Caller
from cogitate.server.auth.key_limits import KeyLimits
from cogitate.server.errors import BadRequest, Forbidden, UnsupportedParameter
from cogitate.server.planning.verifier_checks import check_verifiers
from cogitate.server.protocol.completion import AnyRequest, CompletionRequest
from cogitate.server.protocol.plain_body import PlainBody
from cogitate.server.protocol.response_format import ResponseFormat
from cogitate.server.sandbox.limits import MAX_RUNS_PER_REQUEST
from cogitate.strategies import AnyStrategy
from cogitate.strategies.core.ports import Ability, Verifier
from cogitate.strategies.verifiers.programmatic import STEP_SEPARATOR

UNSUPPORTED: Mapping[str, str] = {
    "echo": "a strategy's answer does not contain the prompt",
    "add_generation_prompt": "a strategy answers in a new turn",
    "continue_final_message": "a strategy answers in a new turn",
    "return_token_ids": "an answer may be assembled from several decodes",
    "include_stop_str_in_output": "stop strings must not take part in the comparison of candidates",
    "ignore_eos": "an answer without an end cannot be compared",
}
"""Field -> reason. Under a strategy these fields must have their default values."""
UNSUPPORTED_STEPWISE: Mapping[str, str] = {
    "tools": "a grammar would restart at each step",
    "response_format": "a grammar would restart at each step",
    "min_tokens": "the minimum would restart at each step",
    "frequency_penalty": "the penalty would ignore the tokens of earlier steps",
    "presence_penalty": "the penalty would ignore the tokens of earlier steps",
    "stop_token_ids": "the token that ends a step stays in its text",
}
"""Field -> reason, in addition to UNSUPPORTED, for strategies that decode step by step."""
UNSUPPORTED_BUDGET_FORCING: Mapping[str, str] = {
    **UNSUPPORTED_STEPWISE,
    "stop": "text that the strategy inserts would follow the stop string",
    "bad_words": "the strategy inserts text of its own",
    "allowed_token_ids": "the strategy inserts text of its own",
    "logit_bias": "the strategy inserts text of its own",
    "logprobs": "text that the strategy inserts has no log-probabilities",
}
"""Field -> reason for budget_forcing, which ends the thinking and continues it with text that it inserts."""
UNSUPPORTED_PROGRAMS: Mapping[str, str] = {
    "tools": "its candidates are programs, which call no tools",
    "response_format": "its candidates are programs, not JSON",
    "logprobs": "the model did not decode the value that the program computes",
}
"""Field -> reason for program_aided, whose answer is the value that a program computes."""
UNSUPPORTED_BY_STRATEGY: Mapping[str, Mapping[str, str]] = {
    "budget_forcing": UNSUPPORTED_BUDGET_FORCING,
    "program_aided": UNSUPPORTED_PROGRAMS,
}
DEFAULTS: Mapping[str, tuple[object, ...]] = {
    "add_generation_prompt": (None, True),
    "response_format": (None, ResponseFormat(type="text")),
    "min_tokens": (None, 0),
    "frequency_penalty": (None, 0.0),
    "presence_penalty": (None, 0.0),
}
"""Field -> values without effect, for fields where these are not None, False and []."""


def check_compatibility(
    request: AnyRequest, strategy: AnyStrategy, abilities: frozenset[Ability], verifiers: Mapping[str, Verifier]
) -> None:
    """Raises BadRequest for the first field that would have no effect. `abilities`: of what decodes candidates."""
    check_verifiers(strategy, verifiers)
    check_fields(request, strategy)
    check_engine_abilities(request, strategy, abilities)


def check_key_strategies(strategy: AnyStrategy, limits: KeyLimits) -> None:
    """Raises Forbidden where the key's limits exclude the strategy."""
    if limits.strategies is not None and strategy.name not in limits.strategies:
        allowed = ", ".join(sorted(limits.strategies))
        raise Forbidden(f"This key may not use {strategy.name}; it may use: {allowed}.", param="strategy")


def check_code_execution(strategy: AnyStrategy, code_exec: str, caller: Caller) -> None:
    """Raises BadRequest where the server runs no programs, Forbidden where this key may not run any."""
    if not strategy.program_runs:
        return
    if code_exec == "off":
        reason = "runs programs that the model writes, and this server was started with --code-exec off"
        raise UnsupportedParameter(f"{strategy.name} {reason}: use another strategy.", param="strategy")
    if caller.key and not caller.limits.code:
        raise Forbidden("This key may not run programs: add code=true to its line in the keys file.", param="strategy")
    if strategy.program_runs > MAX_RUNS_PER_REQUEST:
        message = (
            f"This request may run {strategy.program_runs} programs, and the limit is {MAX_RUNS_PER_REQUEST}: lower n."
        )
        raise BadRequest(message, param="strategy.n")


def check_plain_width(request: AnyRequest | PlainBody, width: int, limit: int) -> None:
    """Reject a plain request with more generations than the key may have in flight, since no retry would succeed.

    Raises BadRequest.
    """
    if width > limit:
        param, remedy = ("n", "lower n") if request.width == 1 else ("prompt", "send fewer prompts, or lower n")
        raise _too_wide(width, limit, param, remedy)


def check_strategy_width(strategy: AnyStrategy, limit: int | None) -> None:
    """Reject a strategy with more than `limit` generations in flight; None allows any number. Raises BadRequest."""
    if limit is None or strategy.in_flight <= limit:
        return
    options = type(strategy).model_fields
    param, remedy = ("strategy.n", "lower its n") if "n" in options else ("strategy", "use another strategy")
    if "concurrency" in options and strategy.model_copy(update={"concurrency": limit}).in_flight <= limit:
        remedy = f"set its concurrency to {limit} or less, or {remedy}"
        param = "strategy.concurrency" if "concurrency" in strategy.model_fields_set else param
    raise _too_wide(strategy.in_flight, limit, param, remedy)


def _too_wide(width: int, limit: int, param: str, remedy: str) -> BadRequest:
    message = f"This request needs {width} generations in flight at once, and this key may have {limit}: {remedy}."
    return BadRequest(message, param=param)


def check_fields(request: AnyRequest, strategy: AnyStrategy) -> None:
    """Raises UnsupportedParameter for a field that has no effect under the strategy."""
    unsupported = UNSUPPORTED_BY_STRATEGY.get(strategy.name, UNSUPPORTED_STEPWISE if strategy.stepwise else {})
    for name, reason in {**UNSUPPORTED, **unsupported}.items():
        if is_set(name, request.value_of(name)):
            message = f"{name} is not supported by the strategy {strategy.name}: {reason}."
            raise UnsupportedParameter(message, param=name)
    if (request.n or 1) > strategy.candidates:
        limit = f"{strategy.name} returns at most {strategy.candidates} here, so lower n"
        raise UnsupportedParameter(f"n asks for {request.n} answers: {limit}.", param="n")
    if strategy.stepwise and any(spans_steps(stop) for stop in request.stop_strings):
        raise UnsupportedParameter(
            "stop is not supported here: it contains the blank line that ends a step.", param="stop"
        )
    if request.stream_options and request.stream_options.continuous_usage_stats:
        message = "continuous_usage_stats is not supported: a strategy's tokens are counted when it ends."
        raise UnsupportedParameter(message, param="stream_options")
    if strategy.reasoning != "inline" and request.alternatives is not None:
        raise UnsupportedParameter(
            "logprobs cover the whole text: set the strategy's reasoning to inline.", param="logprobs"
        )
    if isinstance(request, CompletionRequest):
        check_raw_prompt(request, strategy)


def is_set(name: str, value: object) -> bool:
    """Whether a field has a value with an effect. Types are compared too: `logprobs` of 0 has one, False has none."""
    return not any(type(value) is type(usual) and value == usual for usual in DEFAULTS.get(name, (None, False, [])))


def spans_steps(stop: str) -> bool:
    """Whether a stop string could match the end of a step, or begin in one step and end in the next."""
    return STEP_SEPARATOR in stop or (stop.startswith("\n") and stop != "\n")


def check_raw_prompt(request: CompletionRequest, strategy: AnyStrategy) -> None:
    """Raises UnsupportedParameter for several prompts, and for reasoning that is separate from the text."""
    if request.width > 1:
        raise UnsupportedParameter(
            "A strategy answers one prompt at a time: send one request for each.", param="prompt"
        )
    if strategy.reasoning != "inline":
        raise UnsupportedParameter(
            "A raw completion has one text: set reasoning to inline.", param="strategy.reasoning"
        )


def check_engine_abilities(request: AnyRequest, strategy: AnyStrategy, abilities: frozenset[Ability]) -> None:
    """Raises UnsupportedParameter for what this server's engine cannot do."""
    if "seed" not in abilities and request.seed is not None:
        raise UnsupportedParameter("This server's engine does not support seeds: omit seed.", param="seed")
    if "logprobs" not in abilities and request.alternatives is not None:
        raise UnsupportedParameter(
            "This server's engine reports no log-probabilities: omit logprobs.", param="logprobs"
        )
    if "continue" in strategy.needs - abilities:
        reason = "which this server's engine cannot do"
        raise UnsupportedParameter(
            f"{strategy.name} continues partial answers, {reason}: use another strategy.", param="strategy"
        )
    if "logprobs" in strategy.needs - abilities:
        reason = "which this server's engine does not report: use another strategy"
        raise UnsupportedParameter(f"{strategy.name} needs log-probabilities here, {reason}.", param="strategy")
