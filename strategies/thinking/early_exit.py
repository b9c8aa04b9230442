"""Whether to stop thinking early: what a probe, behind a thought that is not yet over, says the answer is. Pure.

DEER, Yang et al., 2025, arXiv:2504.15895: once the model is sure enough of its answer. Dynasor-CoT, Fu et al., 2024,
arXiv:2412.20993: once the last probes agree. Deviations: probes come every so many tokens, also DEER's, and are greedy,
also Dynasor's; every token of DEER's answer counts, so that an answer of one token has a confidence too.
"""

import math
import re
from collections.abc import Sequence
from itertools import accumulate

from cogitate.strategies.core.types import Completion

PROBE = "\n\n**Final Answer**\n\n\\boxed{"
PROBE_TOKENS = 20
SURE = 0.95
"""DEER's threshold."""
AGREEING = 3
"""Dynasor's w at its middle setting."""
DOUBT = re.compile(r"\b(wait|hold|but|okay|no|hmm)\b", re.IGNORECASE)


def boxed(text: str) -> str | None:
    """What stands before the brace that closes the probe's; None where nothing closes it."""
    end = closing(text)
    return None if end is None else text[:end].strip()


def closing(text: str) -> int | None:
    """Where the brace is that the probe opened."""
    depth = 1
    for at, sign in enumerate(text):
        depth += (sign == "{") - (sign == "}")
        if depth == 0:
            return at
    return None


def confidence(probe: Completion) -> float:
    """The geometric mean of the probabilities of the answer's tokens; 0 where there is no answer."""
    starts = accumulate((len(token.text) for token in probe.logprobs), initial=0)
    end = closing(probe.text) if boxed(probe.text) else None
    logprobs = [token.logprob for token, start in zip(probe.logprobs, starts, strict=False) if end and start < end]
    return math.exp(math.fsum(logprobs) / len(logprobs)) if logprobs else 0.0


def agreed(answers: Sequence[str | None]) -> bool:
    """Whether the last three are the same, say something, and do not doubt it."""
    last = answers[-AGREEING:]
    return len(last) == AGREEING and len(set(last)) == 1 and bool(last[0]) and not DOUBT.search(last[0] or "")
