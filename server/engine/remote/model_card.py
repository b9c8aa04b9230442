"""Reads the model that an upstream serves from its /models listing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cogitate.server.engine import CannotStart
from cogitate.server.engine.remote.validate import as_dict, as_list, is_count
from cogitate.server.protocol.json import digest, unix_time

DEFAULT_CONTEXT_TOKENS = 131_072
"""Assumed where the upstream does not report its context length; it rejects longer prompts by itself."""
STABLE_FIELDS = ("id", "root", "parent", "owned_by", "max_model_len", "meta")
"""The fields of a model's card that are the same in every listing; they make the revision."""
ID_FIELDS = ("id", "name", "model")
MAX_LISTED_NAMES = 10
MAX_NAME_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class UpstreamModel:
    name: str
    max_model_len: int | None = None
    """Context length in tokens; None: not reported."""
    created: int = 0
    """Unix time."""
    is_vllm: bool = False
    revision: str = ""
    """Digest of the card's stable fields: part of every cache key."""


def select_model(listing: object, name: str | None, *, alias: str | None = None) -> UpstreamModel:
    """Return the named model, or the first that is listed. `alias`: it comes first, where the upstream lists it too.

    An upstream whose listing is empty may serve models all the same, so a named model is taken without its card.

    Raises:
        CannotStart: the model is not listed, or nothing is listed and no name is given.
    """
    cards = list_cards(listing)
    if name is None and alias and (not cards or any(is_name_of(alias, card["id"]) for card in cards)):
        name = alias
    if not cards and name is None:
        raise CannotStart("the upstream lists no models: name one, as in `cogitate serve MODEL --engine openai`")
    if not cards:
        return build_model(name or "", {})
    card = next((card for card in cards if name is None or is_name_of(name, card["id"])), None)
    if card is None:
        listed = ", ".join(card["id"][:MAX_NAME_CHARACTERS] for card in cards[:MAX_LISTED_NAMES])
        raise CannotStart(f"the upstream has no model {name}; it lists {listed}")
    return build_model(name or card["id"], card)


def list_cards(listing: object) -> list[dict[str, Any]]:
    """Return the cards of a listing, each with its id: OpenAI's object, or a bare array, of cards or of names.

    Cards are found under `data` or `models`; a card's id may be under `name` or `model` (Ollama's own listing).
    """
    fields = as_dict(listing)
    entries = listing if isinstance(listing, list) else as_list(fields.get("data")) or as_list(fields.get("models"))
    cards = [{"id": entry} if isinstance(entry, str) else as_dict(entry) for entry in entries]
    ids = [
        next((card[key] for key in ID_FIELDS if isinstance(card.get(key), str) and card[key]), None) for card in cards
    ]
    return [card | {"id": id} for card, id in zip(cards, ids, strict=True) if id]


def is_name_of(name: str, id: str) -> bool:
    """Whether an upstream takes `name` for the model that it lists as `id`: Gemini and Ollama take a shorter one."""
    return id in (name, f"models/{name}", f"{name}:latest")


def build_model(name: str, card: Mapping[str, Any]) -> UpstreamModel:
    """Build the model from its card: vLLM reports `max_model_len`, llama.cpp `meta.n_ctx_train`."""
    lengths = (card.get("max_model_len"), as_dict(card.get("meta")).get("n_ctx_train"))
    created = card.get("created")
    stable = {key: card[key] for key in STABLE_FIELDS if key in card}
    return UpstreamModel(
        name,
        max_model_len=next((length for length in lengths if is_count(length) and length), None),
        created=created if is_count(created) else unix_time(),
        is_vllm=card.get("owned_by") == "vllm",
        revision=digest([name, stable]).hex()[:16],
    )
