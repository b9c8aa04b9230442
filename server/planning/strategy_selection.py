"""Selects the strategy of a request and adapts it to the request's other fields. Pure."""

from collections.abc import Mapping

from pydantic import ValidationError

from cogitate.server.errors import BadRequest, ModelNotFound, UnsupportedParameter
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.compat import OPTIONS
from cogitate.server.protocol.completion import AnyRequest
from cogitate.server.protocol.validation import to_bad_request
from cogitate.strategies import STRATEGIES, AnyStrategy, parse
from cogitate.strategies.auto import Auto
from cogitate.strategies.core.prompts import STEP_BY_STEP
from cogitate.strategies.program_aided import ProgramAided
from cogitate.strategies.self_consistency import SelfConsistency

MAX_CANDIDATES_BY_EFFORT = {"none": 1, "minimal": 2, "low": 4, "medium": 8, "high": 16, "xhigh": 32, "max": 64}
"""reasoning_effort -> maximum number of candidates, for a strategy whose n the request does not set."""


def select_strategy(request: AnyRequest, model: str, presets: Mapping[str, AnyStrategy]) -> AnyStrategy:
    """The strategy that the body's `strategy` or the model's name selects; both may, where they agree.

    `model`: the name without a suffix; one of the two must select a strategy. Raises ApiError.
    """
    options = request.strategy
    if options is not None and request.model == model:
        return parse_strategy(options)
    named = parse_model_name(request.model, model, presets)
    if options is None:
        return named
    return merge_options(request.model.removeprefix(f"{model}@"), named, options)


def merge_options(name: str, named: AnyStrategy, options: Mapping[str, object]) -> AnyStrategy:
    """Add the body's options to the strategy of the model's name. Raises BadRequest where both set one differently."""
    if options.get("name", name) not in (name, named.name):
        message = f"model names the strategy {name}, and strategy another one: leave it to one of them."
        raise BadRequest(message, param="strategy")
    own = named.model_dump(include=named.model_fields_set)
    merged = parse_strategy({**own, **options, "name": named.name})
    values = merged.model_dump()
    for option in own:
        if values[option] != own[option]:
            message = f"{option} differs from its value in {name}, which model names: set it in one of them."
            raise BadRequest(message, param=f"strategy.{option}")
    return merged


def parse_strategy(options: Mapping[str, object]) -> AnyStrategy:
    """Raises BadRequest."""
    check_takes_models(options)
    try:
        return parse.validate_python(options)
    except ValidationError as error:
        raise to_bad_request(error, prefix="strategy", hide=STRATEGIES) from None


def check_takes_models(options: Mapping[str, object]) -> None:
    """Raises UnsupportedParameter for a strategy that does not take the models that its options name."""
    strategy = STRATEGIES.get(str(options.get("name")))
    for name in OPTIONS if strategy else ():
        if strategy and options.get(name) and name not in strategy.model_fields:
            message = f"{strategy.model_fields['name'].default} does not take {name}: {strategy.why_one_model}."
            raise UnsupportedParameter(message, param=name)


def parse_model_name(name: str, model: str, presets: Mapping[str, AnyStrategy]) -> AnyStrategy:
    """The preset or strategy after the `@` of a model's name. Raises ModelNotFound."""
    suffix = name.removeprefix(f"{model}@")
    if suffix in presets and suffix != name:
        return presets[suffix]
    if suffix in STRATEGIES and suffix != name:
        return parse_strategy({"name": suffix})
    raise unknown_model(name)


def preset_name(name: str, model: str, strategy: AnyStrategy) -> str:
    """The preset or strategy after the `@` of a model's name; without one, the strategy's name."""
    suffix = name.removeprefix(f"{model}@")
    return strategy.name if suffix == name else suffix


def unknown_model(name: str) -> ModelNotFound:
    """Build the error for a model's name that is not served, in OpenAI's words."""
    hint = " After @ stands a strategy or a preset; GET /v1/models lists the names." if "@" in name else ""
    return ModelNotFound(f"The model `{name}` does not exist or you do not have access to it.{hint}", param="model")


def adapt_to_request(strategy: AnyStrategy, request: AnyRequest) -> AnyStrategy:
    """Set options that the client left open from the request's other fields.

    With a JSON response format, answers are read, compared and asked for as JSON. With tools, and for a raw prompt, no
    instruction is added but chain_of_thought's. reasoning_effort limits the candidates.
    """
    update: dict[str, object] = {}
    if isinstance(request, ChatRequest):
        if request.wants_json and strategy.answer_format == "auto":
            update["answer_format"] = "json"
        if request.offers_tools and strategy.instruction is None:
            update["instruction"] = STEP_BY_STEP if strategy.name == "chain_of_thought" else ""
        if request.reasoning_effort and "n" in type(strategy).model_fields and "n" not in strategy.model_fields_set:
            update["n"] = max(MAX_CANDIDATES_BY_EFFORT[request.reasoning_effort], strategy.min_candidates)
    elif strategy.instruction is None:
        update["instruction"] = ""
    return strategy.model_copy(update=update)


def limit_concurrency(strategy: AnyStrategy, limit: int | None) -> AnyStrategy:
    """Lower the concurrency to the key's limit, for strategies that start a sample whenever another one ends."""
    if limit is None or strategy.in_flight <= limit or not isinstance(strategy, SelfConsistency | ProgramAided | Auto):
        return strategy
    is_rolling = isinstance(strategy, Auto) or strategy.stop_rule != "none"
    return strategy.model_copy(update={"concurrency": limit}) if is_rolling and not strategy.concurrency else strategy
