"""Which strategy a request means, and how it fits the rest of the request. Pure."""

from collections.abc import Mapping

from pydantic import ValidationError

from cogitate.server.errors import BadRequest, ModelNotFound
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.completion import AnyRequest
from cogitate.server.protocol.validation import to_bad_request
from cogitate.strategies import STRATEGIES, AnyStrategy, parse
from cogitate.strategies.core.prompts import STEP_BY_STEP
from cogitate.strategies.program_aided import ProgramAided
from cogitate.strategies.self_consistency import SelfConsistency

EFFORTS = {"none": 1, "minimal": 2, "low": 4, "medium": 8, "high": 16, "xhigh": 32}
"""What reasoning_effort means to a strategy whose n the request leaves open: the most candidates it makes."""


def select_strategy(request: AnyRequest, model: str, presets: Mapping[str, AnyStrategy]) -> AnyStrategy | None:
    """The strategy, said in the body or behind the model's name; both are fine where they agree. Raises ApiError."""
    named, said = parse_model_name(request.model, model, presets), request.strategy
    if said is None or named is None:
        return named if said is None else parse_strategy(said)
    return merge_options(request.model.removeprefix(f"{model}@"), named, said)


def merge_options(name: str, named: AnyStrategy, said: Mapping[str, object]) -> AnyStrategy:
    """What the model's name stands for, with what the body adds to it: an option that both set must be the same."""
    if said.get("name", name) not in (name, named.name):
        raise BadRequest(f"model names the strategy {name}, and strategy another one.", param="strategy")
    options = named.model_dump(include=named.model_fields_set)
    both = parse_strategy({**options, **said, "name": named.name})
    told = both.model_dump()
    for option in options:
        if told[option] != options[option]:
            words = f"{option} is another here than in {name}, which model names: leave it to one of them."
            raise BadRequest(words, param=f"strategy.{option}")
    return both


def parse_strategy(said: Mapping[str, object]) -> AnyStrategy:
    """Raises BadRequest."""
    try:
        return parse.validate_python(said)
    except ValidationError as error:
        raise to_bad_request(error, prefix="strategy", hide=STRATEGIES) from None


def parse_model_name(name: str, model: str, presets: Mapping[str, AnyStrategy]) -> AnyStrategy | None:
    """What a model's name asks for behind its @. Raises ModelNotFound."""
    if name == model:
        return None
    suffix = name.removeprefix(f"{model}@")
    if suffix in presets and suffix != name:
        return presets[suffix]
    if suffix in STRATEGIES and suffix != name:
        return parse_strategy({"name": suffix})
    raise unknown_model(name)


def unknown_model(name: str) -> ModelNotFound:
    return ModelNotFound(f"The model `{name}` does not exist or you do not have access to it.", param="model")


def adapt_to_request(strategy: AnyStrategy, request: AnyRequest) -> AnyStrategy:
    """The strategy with what the request's other fields say of it, where its own options do not.

    A JSON answer is read, compared and asked for as JSON. Where tools are offered, or a raw text is continued, no
    instruction of ours is added but the one to think. reasoning_effort is the ceiling of candidates.
    """
    update: dict[str, object] = {}
    if isinstance(request, ChatRequest):
        if request.wants_json and strategy.answer_format == "auto":
            update["answer_format"] = "json"
        if request.offers_tools and strategy.instruction is None:
            update["instruction"] = STEP_BY_STEP if strategy.name == "chain_of_thought" else ""
        if request.reasoning_effort and "n" in type(strategy).model_fields and "n" not in strategy.model_fields_set:
            update["n"] = max(EFFORTS[request.reasoning_effort], strategy.min_candidates)
    elif strategy.instruction is None:
        update["instruction"] = ""
    return strategy.model_copy(update=update)


def limit_concurrency(strategy: AnyStrategy, most: int | None) -> AnyStrategy:
    """The strategy with no more in flight than its key may have, where it begins samples one by one as others vote."""
    if most is None or strategy.in_flight <= most or not isinstance(strategy, SelfConsistency | ProgramAided):
        return strategy
    rolling = strategy.stop_rule != "none" and strategy.concurrency is None
    return strategy.model_copy(update={"concurrency": most}) if rolling else strategy
