"""Compares the launch policy with the fixed width before it: `python -m tests.bench.launch_policy [VOTE_BANKS]`.

All arms are replayed by the code of `cogitate eval` on the same samples in the same orders: `before` is the fixed width
of 3/8 of n that the policy replaces, `one at a time` draws the next sample when the last one has voted. Prints the
Markdown tables of deploy/results/launch.md, in about ten minutes on one core.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.bench.launch_policy.lognormal import build_lognormal_bank
from tests.bench.launch_policy.measured import (
    Figure,
    Measured,
    accuracy,
    estimate,
    gain,
    mean_depth_ratio,
    measure_arm,
    median_depth_ratio,
    token_ratio,
)
from tests.bench.report import VERDICTS, say
from tests.bench.vote_banks import FILE, VoteBank, read_vote_banks

BEFORE, ONE, NOW = "before", "one at a time", "policy"
OTHER_RULE, OTHER_ONE = "predictive, policy", "predictive, one at a time"
ARMS = {
    BEFORE: "self_consistency:n=64,stop_rule=beta,concurrency=24",
    ONE: "self_consistency:n=64,stop_rule=beta,concurrency=1",
    NOW: "self_consistency:n=64,stop_rule=beta",
    OTHER_ONE: "self_consistency:n=64,stop_rule=predictive,concurrency=1",
    OTHER_RULE: "self_consistency:n=64,stop_rule=predictive",
}
REPEATS = {"math500": 2, "gpqa_diamond": 4, "aime2024": 8, "aime2025": 8}
GROUPS = {"MATH-500": ("math500", 0.66), "GPQA diamond": ("gpqa_diamond", 0.90), "AIME": ("aime", 0.92)}
"""Name -> prefix of its sets, and the most tokens of `before` that the policy may take."""
MAX_DEPTH, MAX_LOSS = 1.4, 0.3
SHARES = {0.4: (1.2, 0.97), 0.7: (0.72, 0.72), 0.95: (0.43, 0.43)}
"""Share of right samples -> the most wall time, and the most tokens, of waiting for all 16."""
UPSTREAM_ARMS = {
    "all": "self_consistency:n=16,stop_rule=none",
    BEFORE: "self_consistency:n=16,stop_rule=beta,concurrency=6",
    NOW: "self_consistency:n=16,stop_rule=beta",
    OTHER_RULE: "self_consistency:n=16,stop_rule=predictive",
}
UPSTREAM_QUESTIONS = 1000
Arms = Mapping[str, Measured]


def measure_bank(stored: VoteBank) -> Arms:
    say(f"{stored.task}, {stored.model}")
    repeats = REPEATS[stored.task]
    return {name: measure_arm(arm, stored.questions, stored.bank, repeats) for name, arm in ARMS.items()}


def format_estimate(figure: Figure, name: str, base: str, banks: Sequence[Arms], digits: int = 2) -> str:
    value, low, high = estimate(figure, [(bank[name], bank[base]) for bank in banks])
    sign = "+" if figure is gain else ""
    return f"{value:{sign}.{digits}f} ({low:{sign}.{digits}f} to {high:{sign}.{digits}f})"


def bank_rows(title: str, banks: Sequence[Arms]) -> Iterator[str]:
    """Yield a row for each arm, over one bank or the mean of several."""
    for name in ARMS:
        right = sum(accuracy(bank[name]) for bank in banks) / len(banks)
        cells = (
            format_estimate(gain, name, ONE, banks),
            format_estimate(token_ratio, name, BEFORE, banks),
            format_estimate(median_depth_ratio, name, BEFORE, banks),
            format_estimate(mean_depth_ratio, name, BEFORE, banks),
        )
        yield f"| {title} | {name} | {right:.1f} | {' | '.join(cells)} |"


def target_rows(group: str, banks: Sequence[Arms], most: float, name: str) -> Iterator[str]:
    """Yield a row for each target of a group of banks."""
    targets: list[tuple[str, Figure, str, float]] = [
        (f"tokens, at most {most} of before", token_ratio, BEFORE, most),
        (f"median depth, at most {MAX_DEPTH} of before", median_depth_ratio, BEFORE, MAX_DEPTH),
        (f"accuracy over one at a time, at least -{MAX_LOSS}", gain, ONE, -MAX_LOSS),
    ]
    for what, figure, base, bar in targets:
        value = estimate(figure, [(bank[name], bank[base]) for bank in banks])[0]
        met = value >= bar if figure is gain else value <= bar
        yield f"| {group} | {name} | {what} | {format_estimate(figure, name, base, banks)} | {VERDICTS[met]} |"


def upstream_rows() -> Iterator[str]:
    for share, (wall, tokens) in SHARES.items():
        say(f"lognormal, {share:.0%} right")
        stored = build_lognormal_bank(share, 16, UPSTREAM_QUESTIONS)
        arms = {name: measure_arm(arm, stored.questions, stored.bank, 1) for name, arm in UPSTREAM_ARMS.items()}
        for name in (BEFORE, NOW, OTHER_RULE):
            met = [
                estimate(figure, [(arms[name], arms["all"])])[0] <= bar
                for figure, bar in ((mean_depth_ratio, wall), (token_ratio, tokens))
            ]
            cells = (
                format_estimate(mean_depth_ratio, name, "all", [arms]),
                f"{wall}: {VERDICTS[met[0]]}",
                format_estimate(token_ratio, name, "all", [arms]),
                f"{tokens}: {VERDICTS[met[1]]}",
            )
            yield f"| {share:.0%} | {name} | {' | '.join(cells)} |"


def main(path: Path) -> None:
    stored = read_vote_banks(path)
    measured = {(bank.task, bank.model): measure_bank(bank) for bank in stored}
    print("| set | arm | target | measured | |\n|---|---|---|--:|---|")
    groups = {
        group: [arms for (task, _), arms in measured.items() if task.startswith(prefix)]
        for group, (prefix, _) in GROUPS.items()
    }
    for group, banks in groups.items():
        for name in (NOW, OTHER_RULE):
            print("\n".join(target_rows(group, banks, GROUPS[group][1], name)))
    head = "| bank | arm | accuracy, % | over one at a time, points | tokens | median depth | mean depth |"
    print(f"\n{head}\n|---|---|--:|--:|--:|--:|--:|")
    for group, banks in groups.items():
        print("\n".join(bank_rows(f"{group}, mean of banks", banks)))
    for (task, model), arms in measured.items():
        print("\n".join(bank_rows(f"{task}, {model}", [arms])))
    print("\n| right | arm | wall | at most | tokens | at most |\n|--:|---|--:|---|--:|---|")
    print("\n".join(upstream_rows()))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE)
