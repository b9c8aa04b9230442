"""What an upstream's /models says of the model that is served."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from cogitate.server.engine import CannotStart
from cogitate.server.engine.remote.validate import is_count, mapping, sequence

DEFAULT_CONTEXT = 131_072
"""Where the upstream does not tell; what is too long for it, it refuses by itself."""
LASTING = ("id", "root", "parent", "owned_by", "max_model_len", "meta")
"""What does not change from one asking to the next."""


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    context: int | None = None
    created: int = 0
    vllm: bool = False
    revision: str = ""


def chosen(listing: object, wanted: str | None) -> Model:
    """The wanted model, or the first that is listed. Raises CannotStart.

    An upstream that lists none may serve what it does not list, so that one is taken by its name.
    """
    cards = [card for card in map(mapping, sequence(mapping(listing).get("data"))) if isinstance(card.get("id"), str)]
    if not cards and wanted is None:
        raise CannotStart("the upstream lists no models: name one, as in `cogitate serve MODEL --engine openai`")
    if not cards:
        return described(wanted or "", {})
    card = next((card for card in cards if wanted in (None, card["id"])), None)
    if card is None:
        names = ", ".join(card["id"][:100] for card in cards[:10])
        raise CannotStart(f"the upstream has no model {wanted}; it lists {names}")
    return described(card["id"], card)


def described(name: str, card: Mapping[str, Any]) -> Model:
    trained = mapping(card.get("meta")).get("n_ctx_train")
    context = next((said for said in (card.get("max_model_len"), trained) if is_count(said) and said), None)
    created = card.get("created")
    lasting = {key: card[key] for key in LASTING if key in card}
    digest = hashlib.sha256(orjson.dumps([name, lasting], option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
    return Model(
        name, context, created if is_count(created) else int(time.time()), card.get("owned_by") == "vllm", digest
    )
