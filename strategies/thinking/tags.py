"""The tags that mark reasoning in a model's output, as text and as token ids."""

from collections.abc import Sequence

OPEN_TAG, CLOSE_TAG = "<think>", "</think>"


def is_thinking(ids: Sequence[int], opens: Sequence[int | None], closes: Sequence[int | None]) -> bool:
    """Whether the last tag among `ids` opens a thought.

    Args:
        ids: The token ids of the prompt and the completion.
        opens: The ids of the opening tag; None where the model has no such token.
        closes: The ids of the closing tag, likewise.
    """
    return next((token in opens for token in reversed(ids) if token in opens or token in closes), False)
