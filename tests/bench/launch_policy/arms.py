"""The arms, the repeats and the targets of the comparison."""

from collections.abc import Collection

from tests.bench.launch_policy.measured import Measured, measure_arm
from tests.bench.report import say
from tests.bench.vote_banks import VoteBank

BEFORE, ONE, BETA, DEFAULT = "before", "one at a time", "policy, beta", "policy, predictive"
ONE_PREDICTIVE = "one at a time, predictive"
BEFORE_WIDTHS = {16: 6, 64: 24}
"""n -> samples in flight before the policy: 3/8 of n."""
REPEATS = {"math500": 2, "gpqa_diamond": 24, "aime2024": 16, "aime2025": 16}
"""Few orders of the samples suffice for tokens; the accuracy on a small set needs more."""
GROUPS = {"MATH-500": ("math500", 0.66), "GPQA diamond": ("gpqa_diamond", 0.90), "AIME": ("aime", 0.92)}
"""Name -> prefix of its sets, and the most tokens of `before` that the policy may take."""
MAX_DEPTH, MAX_LOSS = 1.4, 0.3
Arms = dict[str, Measured]


def arms_of(n: int) -> dict[str, str]:
    """The arms of votes of n, as `cogitate eval` names them. `before` has no width for other n than 16 and 64."""
    vote = f"self_consistency:n={n},stop_rule"
    before = {BEFORE: f"{vote}=beta,concurrency={BEFORE_WIDTHS[n]}"} if n in BEFORE_WIDTHS else {}
    return before | {
        ONE: f"{vote}=beta,concurrency=1",
        BETA: f"{vote}=beta",
        ONE_PREDICTIVE: f"{vote}=predictive,concurrency=1",
        DEFAULT: f"{vote}=predictive",
    }


def measure_bank(stored: VoteBank, n: int, names: Collection[str]) -> Arms:
    say(f"{stored.task}, {stored.model}, n={n}")
    repeats, arms = REPEATS[stored.task], arms_of(n)
    return {name: measure_arm(arms[name], stored.questions, stored.bank, repeats) for name in names}


def measure_all(banks: list[VoteBank], n: int, names: Collection[str]) -> dict[tuple[str, str], Arms]:
    """Measure the arms on all banks, by set and model."""
    return {(bank.task, bank.model): measure_bank(bank, n, names) for bank in banks}


def group_banks(measured: dict[tuple[str, str], Arms]) -> dict[str, list[Arms]]:
    """Group banks by kind of set."""
    return {
        group: [arms for (task, _), arms in measured.items() if task.startswith(prefix)]
        for group, (prefix, _) in GROUPS.items()
    }
