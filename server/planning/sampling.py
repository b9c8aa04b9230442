"""How a strategy samples: the client's fields, then the strategy's own. Pure."""

from collections.abc import Mapping

from cogitate.server.planning.cost import max_answer_tokens
from cogitate.server.protocol.completion import AnyRequest
from cogitate.strategies import AnyStrategy
from cogitate.strategies.core.ports import Ability, Verifier
from cogitate.strategies.core.types import Sampling


def build_sampling(
    request: AnyRequest, strategy: AnyStrategy, verifiers: Mapping[str, Verifier], able: frozenset[Ability]
) -> Sampling:
    return Sampling(
        max_tokens=max_answer_tokens(request),
        temperature=strategy.temperature if request.temperature is None else request.temperature,
        seed=request.seed,
        logprobs=count_alternatives(request, strategy, verifiers, able),
        constrained=request.constrains_text,
    )


def count_alternatives(
    request: AnyRequest, strategy: AnyStrategy, verifiers: Mapping[str, Verifier], able: frozenset[Ability]
) -> int | None:
    """Number of alternatives per token: the maximum of what the client, the verifiers and the strategy need.

    None: no log-probabilities.
    """
    wanted = [verifiers[name].logprobs for name in strategy.verifiers]
    if "logprobs" in able:
        wanted.append(strategy.logprobs)
    return max((top for top in (*wanted, request.alternatives) if top is not None), default=None)
