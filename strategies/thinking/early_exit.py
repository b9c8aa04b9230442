"""Early exit from thinking, decided by the answer to a probe.

DEER, Yang et al., 2025, arXiv:2504.15895: stop once the model is confident enough of the probed answer. Dynasor-CoT, Fu
et al., 2024, arXiv:2412.20993: stop once the last probes agree.

Deviations: probes are inserted at a fixed token interval, also for DEER, and are greedy, also for Dynasor; every token
of DEER's answer counts, so that an answer of one token has a confidence too.
"""

import math
import re
from collections.abc import Sequence
from itertools import accumulate

from cogitate.strategies.core.types import Completion

PROBE = "\n\n**Final Answer**\n\n\\boxed{"
"""Appended to an unfinished thought to ask for the answer."""
MAX_PROBE_TOKENS = 20
DEER_THRESHOLD = 0.95
"""Minimum confidence at which DEER stops."""
DYNASOR_WINDOW = 3
"""Probes that must agree: Dynasor's w at its middle setting."""
_HESITATION = re.compile(r"\b(wait|hold|but|okay|no|hmm)\b", re.IGNORECASE)
"""Words with which a model reconsiders its answer."""


def parse_probe_answer(text: str) -> str | None:
    """Return the text up to the brace that closes the probe's `\\boxed{`; None where nothing closes it."""
    end = find_closing_brace(text)
    return None if end is None else text[:end].strip()


def find_closing_brace(text: str) -> int | None:
    """Return the index of the brace that closes the probe's `\\boxed{`; None where nothing closes it."""
    depth = 1
    for index, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return index
    return None


def probe_confidence(probe: Completion) -> float:
    """Return the geometric mean of the probabilities of the answer's tokens; 0 where there is no answer."""
    starts = accumulate((len(token.text) for token in probe.logprobs), initial=0)
    end = find_closing_brace(probe.text) if parse_probe_answer(probe.text) else None
    logprobs = [token.logprob for token, start in zip(probe.logprobs, starts, strict=False) if end and start < end]
    return math.exp(math.fsum(logprobs) / len(logprobs)) if logprobs else 0.0


def is_stable(answers: Sequence[str | None]) -> bool:
    """Whether the last DYNASOR_WINDOW answers are equal, are not empty and contain no word of hesitation."""
    last = answers[-DYNASOR_WINDOW:]
    return (
        len(last) == DYNASOR_WINDOW and len(set(last)) == 1 and bool(last[0]) and not _HESITATION.search(last[0] or "")
    )
