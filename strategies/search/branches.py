"""Names of the steps of a search, from which their seeds derive."""

from collections import Counter
from collections.abc import Sequence, Set


def name_branches(texts: Sequence[str], *, last: bool, sweep: int = 0) -> list[str]:
    """Return the name of each next step: the text that it continues, and which of that text's steps it is.

    Seeds derive from it. It does not depend on the scores, so that a step that starts before the scores of other paths
    are known is the same step.
    """
    seen = Counter[str]()
    names = list[str]()
    for text in texts:
        names.append(f"{sweep}/{'last' if last else 'step'}/{seen[text]}/{text}")
        seen[text] += 1
    return names


def is_branch_of(names: Sequence[str], sweep: int, texts: Set[str], name: str) -> bool:
    """Return whether a step is one of `names`, or comes after one of them: it continues a longer text."""
    own, _, _, text = name.split("/", 3)
    is_later = own == str(sweep) and text not in texts and any(map(text.startswith, texts))
    return name in names or is_later
