"""Finds the models that a strategy names, and rejects what cannot be asked of several. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from cogitate.server.engine import ModelCard
from cogitate.server.errors import ModelNotFound, NotReady, UnsupportedParameter
from cogitate.server.planning.media import check_media
from cogitate.server.protocol.completion import AnyRequest
from cogitate.strategies import AnyStrategy
from cogitate.strategies.core.ports import Ability, Verifier

TOKEN_FIELDS = ("logit_bias", "allowed_token_ids", "stop_token_ids")
"""Fields with token ids, which mean other tokens to each model."""


def check_models(request: AnyRequest, strategy: AnyStrategy, card: ModelCard) -> ModelCard:
    """Return a card with the abilities that all models of the candidates have, and the context of who writes last.

    Raises ModelNotFound for a name that this server does not have, NotReady where none of the models has responded yet,
    and UnsupportedParameter for a field that means another thing to each model.
    """
    if not any(strategy.other_models.values()):
        return card
    cards = {name: _find_model(card, name, option) for option, name in _list_names(strategy)}
    for each in cards.values():
        if each:
            check_media(request, each)
    _check_tokens(request)
    writer = next(map(cards.get, strategy.other_models.get("synthesis_model", ())), None) or card
    if not (drawing := strategy.other_models.get("models")):
        return replace(card, max_model_len=writer.max_model_len)
    ready = [each for each in map(cards.get, drawing) if each]
    if not ready:
        raise NotReady("None of these models has responded yet.", code="upstream_down")
    abilities = frozenset[Ability].intersection(*(each.abilities for each in ready))
    return replace(card, abilities=abilities, max_model_len=writer.max_model_len)


def check_verifier_needs(
    strategy: AnyStrategy, card: ModelCard, abilities: frozenset[Ability], verifiers: Mapping[str, Verifier]
) -> None:
    """Raises UnsupportedParameter for a verifier without the log-probabilities that it reads.

    They are the candidates' where it reads them of candidates, which have `abilities`; else those of the model that it
    asks: `verifier_model`, or the request's own, whose card it is.
    """
    names = strategy.other_models.get("verifier_model")
    judge = card.find(names[0]) if names else card
    for name in strategy.verifiers:
        able = judge.abilities if judge and verifiers[name].logprobs is None else abilities
        if "logprobs" in verifiers[name].needs - able:
            reason = "which this server's engine does not report"
            raise UnsupportedParameter(
                f"The verifier {name} needs log-probabilities, {reason}: use another one.", param="strategy.verifier"
            )


def identify_models(strategy: AnyStrategy, card: ModelCard) -> Mapping[str, list[object]]:
    """Return what identifies the models that a strategy names, for the cache key; empty where it names none."""
    names = {name for _, name in _list_names(strategy)}
    return {name: [each.name, each.revision, each.adapters.get(name)] for name in names if (each := card.find(name))}


def _list_names(strategy: AnyStrategy) -> Iterator[tuple[str, str]]:
    return ((option, name) for option, names in strategy.other_models.items() for name in names)


def _find_model(card: ModelCard, name: str, option: str) -> ModelCard | None:
    """Raises ModelNotFound."""
    try:
        return card.find(name)
    except LookupError:
        known = ", ".join((*card.names, *card.others))
        message = f"This server has no model `{name}`: {option} may name {known}."
        raise ModelNotFound(message, param=option) from None


def _check_tokens(request: AnyRequest) -> None:
    for field in TOKEN_FIELDS:
        if request.value_of(field):
            message = f"{field} has token ids, which mean other tokens to each of the strategy's models: omit it."
            raise UnsupportedParameter(message, param=field)
    if isinstance(request.strategy_prompt.raw, tuple):
        raise UnsupportedParameter("A prompt of token ids cannot go to several models: send a text.", param="prompt")
