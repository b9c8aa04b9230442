"""What a strategy cannot honour, refused by name: nothing a client sends is lost in silence. Pure."""

from collections.abc import Mapping

from cogitate.server.auth.caller import Caller
from cogitate.server.auth.key_limits import Rights
from cogitate.server.engine import ModelCard
from cogitate.server.errors import BadRequest, Forbidden, Unsupported
from cogitate.server.protocol.chat import ResponseFormat
from cogitate.server.protocol.completion import AnyRequest, CompletionRequest
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.server.sandbox.limits import MOST_RUNS
from cogitate.strategies import AnyStrategy
from cogitate.strategies.core.ports import Ability, Verifier
from cogitate.strategies.search.steps import STEP
from cogitate.strategies.verifiers.comparative import MOST_COMPARED
from cogitate.strategies.verifiers.options import Verified

UNSUPPORTED: Mapping[str, str] = {
    "echo": "the prompt is no part of an answer that was searched for",
    "add_generation_prompt": "a strategy answers in a turn of its own",
    "continue_final_message": "a strategy answers in a turn of its own",
    "return_token_ids": "an answer may be put together from several decodes",
    "include_stop_str_in_output": "what ends a candidate is no part of what is compared",
    "ignore_eos": "an answer without an end cannot be compared",
}
"""When set to anything but its default, and why."""
UNSUPPORTED_STEPWISE: Mapping[str, str] = {
    "tools": "a grammar begins anew at each step",
    "response_format": "a grammar begins anew at each step",
    "min_tokens": "a minimum begins anew at each step",
    "frequency_penalty": "a penalty forgets the tokens of earlier steps",
    "presence_penalty": "a penalty forgets the tokens of earlier steps",
    "stop_token_ids": "a step keeps the token that ends it",
}
"""What step-wise search cannot hold."""
UNSUPPORTED_BUDGET_FORCING: Mapping[str, str] = {
    **UNSUPPORTED_STEPWISE,
    "stop": "words of ours follow the text that it would end",
    "bad_words": "words of ours are written into the text",
    "allowed_token_ids": "words of ours are written into the text",
    "logit_bias": "words of ours are written into the text",
    "logprobs": "words of ours have none",
}
"""What a text cannot hold that we end, and send on with words of ours."""
UNSUPPORTED_PROGRAMS: Mapping[str, str] = {
    "tools": "its candidates are programs, which call nothing",
    "response_format": "its candidates are programs, which are no JSON",
    "logprobs": "the value that its program computes is no text of the model's",
}
"""What an answer that was computed cannot have."""
UNSUPPORTED_BY_STRATEGY: Mapping[str, Mapping[str, str]] = {"budget_forcing": UNSUPPORTED_BUDGET_FORCING, "program_aided": UNSUPPORTED_PROGRAMS}
DEFAULTS: Mapping[str, tuple[object, ...]] = {
    "add_generation_prompt": (None, True),
    "response_format": (None, ResponseFormat(type="text")),
    "min_tokens": (None, 0),
    "frequency_penalty": (None, 0.0),
    "presence_penalty": (None, 0.0),
}


def check_compatibility(
    request: AnyRequest, strategy: AnyStrategy | None, card: ModelCard, verifiers: Mapping[str, Verifier]
) -> None:
    """Raises BadRequest for the first field that would be lost."""
    if strategy is None:
        check_plain_budget(request)
        return
    check_verifier_names(strategy, verifiers)
    check_comparative_verifiers(strategy, verifiers)
    check_fields(request, strategy)
    check_engine_abilities(request, strategy, card.abilities, verifiers)


def check_key_strategies(strategy: AnyStrategy | None, rights: Rights) -> None:
    """Raises Forbidden."""
    if strategy and rights.strategies is not None and strategy.name not in rights.strategies:
        allowed = ", ".join(sorted(rights.strategies))
        raise Forbidden(f"This key may not use {strategy.name}; it may use: {allowed}.", param="strategy")


def check_code_execution(strategy: AnyStrategy | None, code_exec: str, caller: Caller) -> None:
    """Raises BadRequest where the operator runs none, Forbidden where this key may not have them run."""
    if strategy is None or not strategy.program_runs:
        return
    if code_exec == "off":
        words = f"{strategy.name} runs programs that the model wrote, and this server was started with --code-exec off."
        raise Unsupported(words, param="strategy")
    if caller.key and not caller.rights.code:
        raise Forbidden("This key may not have programs run: its line lacks code=true.", param="strategy")
    if strategy.program_runs > MOST_RUNS:
        words = f"This may run {strategy.program_runs} programs, and a request may run {MOST_RUNS}: lower n."
        raise BadRequest(words, param="strategy.n")


COMPLETE_ANSWER_CHECKS = frozenset({"number", "json"})
"""Checks that need no option, and read an answer that is whole."""


def check_verifier_options(strategy: AnyStrategy | None) -> None:
    """A check needs what it checks by, and a whole answer; and that needs a check. Raises BadRequest."""
    if not isinstance(strategy, Verified):
        return
    if strategy.stepwise and (part := next((part for part in strategy.parts if part in COMPLETE_ANSWER_CHECKS), None)):
        raise Unsupported(f"{part} cannot judge an answer that is not yet whole.", param="strategy.verifier")
    for verifier, (option, given) in strategy.checks.items():
        named = verifier in strategy.parts
        if given and not named:
            words = f"{option} is for the verifier {verifier} alone: name it, or leave {option} out."
            raise BadRequest(words, param=f"strategy.{option}")
        if named and not given:
            raise BadRequest(f"The verifier {verifier} needs {option}.", param=f"strategy.{option}")
        if named and strategy.stepwise:
            raise Unsupported(f"{verifier} cannot judge an answer that is not yet whole.", param="strategy.verifier")


def max_in_flight(request: AnyRequest | ResponsesRequest, strategy: AnyStrategy | None) -> int:
    """The most generations that it has in flight at once."""
    return strategy.in_flight if strategy else (request.n or 1) * request.width


def check_in_flight_limit(request: AnyRequest, strategy: AnyStrategy | None, most: int | None) -> None:
    """Its key's limit alone keeps it out, whatever else ends: it would be in vain to try again. Raises BadRequest."""
    if most is None or (width := max_in_flight(request, strategy)) <= most:
        return
    param, how = ("n", "lower n") if request.width == 1 else ("prompt", "send fewer prompts, or lower n")
    if strategy:
        options = type(strategy).model_fields
        param, how = ("strategy.n", "lower its n") if "n" in options else ("strategy", "take another strategy")
        if "concurrency" in options and strategy.model_copy(update={"concurrency": most}).in_flight <= most:
            how = f"set its concurrency to {most} or less, or {how}"
            param = "strategy.concurrency" if "concurrency" in strategy.model_fields_set else param
    words = f"This request wants {width} generations in flight at once, and this key may have {most}: {how}."
    raise BadRequest(words, param=param)


def check_plain_budget(request: AnyRequest) -> None:
    """The engine's own answer has no best so far to give."""
    if request.budget is not None:
        raise Unsupported("budget needs a strategy; a plain request is bounded by max_tokens.", param="budget")


def check_fields(request: AnyRequest, strategy: AnyStrategy) -> None:
    own = UNSUPPORTED_BY_STRATEGY.get(strategy.name, UNSUPPORTED_STEPWISE if strategy.stepwise else {})
    for name, why in {**UNSUPPORTED, **own}.items():
        if is_set(name, request.value_of(name)):
            words = f"{name} cannot be honoured together with the strategy {strategy.name}: {why}."
            raise Unsupported(words, param=name)
    if (request.n or 1) > strategy.candidates:
        most = f"{strategy.name} makes {strategy.candidates} of them here"
        raise Unsupported(f"n asks for {request.n} answers, and {most}.", param="n")
    if strategy.stepwise and any(spans_steps(stop) for stop in request.stop_strings):
        raise Unsupported("stop cannot be honoured here: it reaches across the blank line after a step.", param="stop")
    if request.stream_options and request.stream_options.continuous_usage_stats:
        words = "continuous_usage_stats cannot be honoured: a strategy's tokens are counted when it is done."
        raise Unsupported(words, param="stream_options")
    if strategy.reasoning != "inline" and request.alternatives is not None:
        raise Unsupported("logprobs are those of the whole text: they need reasoning to be inline.", param="logprobs")
    if isinstance(request, CompletionRequest):
        check_raw_prompt(request, strategy)


def is_set(name: str, value: object) -> bool:
    """Whether a field is set to anything but its default; 0 is no False here: logprobs of 0 are asked for."""
    return not any(type(value) is type(usual) and value == usual for usual in DEFAULTS.get(name, (None, False, [])))


def spans_steps(stop: str) -> bool:
    """Whether it may be taken for the end of a step, or begin in one step and end in the next."""
    return STEP in stop or (stop.startswith("\n") and stop != "\n")


def check_raw_prompt(request: CompletionRequest, strategy: AnyStrategy) -> None:
    if request.width > 1:
        raise Unsupported("A strategy answers one prompt at a time.", param="prompt")
    if strategy.reasoning != "inline":
        raise Unsupported("A raw completion has one text: reasoning must be inline.", param="strategy.reasoning")


def check_verifier_names(strategy: AnyStrategy, known: Mapping[str, Verifier]) -> None:
    for name in strategy.verifiers:
        if name not in known:
            names = ", ".join(sorted(known))
            raise BadRequest(f"There is no verifier `{name}` here; there are: {names}.", param="strategy.verifier")


def check_comparative_verifiers(strategy: AnyStrategy, verifiers: Mapping[str, Verifier]) -> None:
    """A verdict on candidates side by side is no score of one alone, and each is shown many times."""
    for name in strategy.verifiers:
        if not verifiers[name].compares:
            continue
        if not strategy.compares:
            can = "best_of_n can use it, and self_consistency with stop_rule none"
            why = f"and {strategy.name} needs a score of each alone here"
            words = f"The verifier {name} compares whole candidates, {why}; {can}."
            raise Unsupported(words, param="strategy.verifier")
        if strategy.candidates > MOST_COMPARED:
            words = f"The verifier {name} compares at most {MOST_COMPARED} candidates: lower n."
            raise BadRequest(words, param="strategy.n")


def check_engine_abilities(
    request: AnyRequest, strategy: AnyStrategy, able: frozenset[Ability], verifiers: Mapping[str, Verifier]
) -> None:
    """What the engine behind us cannot do."""
    if "seed" not in able and request.seed is not None:
        raise Unsupported("The engine behind this server cannot repeat a seeded answer.", param="seed")
    if "logprobs" not in able and request.alternatives is not None:
        raise Unsupported("The engine behind this server reports no log-probabilities.", param="logprobs")
    if "continue" in strategy.needs - able:
        why = "which the engine behind this server cannot do"
        raise Unsupported(f"{strategy.name} goes on from partial answers, {why}.", param="strategy")
    if "logprobs" in strategy.needs - able:
        why = "which the engine behind this server does not report"
        raise Unsupported(f"{strategy.name} needs log-probabilities here, {why}.", param="strategy")
    for name in strategy.verifiers:
        if "logprobs" in verifiers[name].needs - able:
            why = "which the engine behind this server does not report"
            raise Unsupported(f"The verifier {name} needs log-probabilities, {why}.", param="strategy.verifier")
