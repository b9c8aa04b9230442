"""The Markdown rows: estimates with their intervals, and targets with their verdicts."""

from collections.abc import Iterator, Sequence

from tests.bench.launch_policy.arms import BEFORE, BETA, DEFAULT, GROUPS, MAX_DEPTH, MAX_LOSS, ONE, Arms, group_banks
from tests.bench.launch_policy.measured import (
    Figure,
    accuracy,
    estimate,
    gain,
    mean_depth_ratio,
    median_depth_ratio,
    token_ratio,
)
from tests.bench.report import VERDICTS

Measurements = dict[tuple[str, str], Arms]


def format_estimate(figure: Figure, name: str, base: str, banks: Sequence[Arms]) -> str:
    value, low, high = estimate(figure, [(bank[name], bank[base]) for bank in banks])
    sign = "+" if figure is gain else ""
    return f"{value:{sign}.2f} ({low:{sign}.2f} to {high:{sign}.2f})"


def target_rows(measured: Measurements) -> Iterator[str]:
    """Yield a row for each target of a group of banks."""
    yield "| set | arm | target | measured | |\n|---|---|---|--:|---|"
    for group, banks in group_banks(measured).items():
        most = GROUPS[group][1]
        targets: list[tuple[str, Figure, str, float]] = [
            (f"tokens, at most {most} of before", token_ratio, BEFORE, most),
            (f"median depth, at most {MAX_DEPTH} of before", median_depth_ratio, BEFORE, MAX_DEPTH),
            (f"accuracy over one at a time, at least -{MAX_LOSS}", gain, ONE, -MAX_LOSS),
        ]
        for name in (BETA, DEFAULT):
            for what, figure, base, bar in targets:
                value = estimate(figure, [(bank[name], bank[base]) for bank in banks])[0]
                met = value >= bar if figure is gain else value <= bar
                cell = format_estimate(figure, name, base, banks)
                yield f"| {group} | {name} | {what} | {cell} | {VERDICTS[met]} |"


def bank_rows(measured: Measurements) -> Iterator[str]:
    """Yield a row for each arm, over the mean of a group's banks and over each bank."""
    yield "| bank | arm | accuracy, % | over one at a time, points | tokens | median depth | mean depth |"
    yield "|---|---|--:|--:|--:|--:|--:|"
    for group, banks in group_banks(measured).items():
        yield from _rows_of(f"{group}, mean of banks", banks)
    for (task, model), arms in measured.items():
        yield from _rows_of(f"{task}, {model}", [arms])


def _rows_of(title: str, banks: Sequence[Arms]) -> Iterator[str]:
    for name in banks[0]:
        right = sum(accuracy(bank[name]) for bank in banks) / len(banks)
        cells = (
            format_estimate(gain, name, ONE, banks),
            format_estimate(token_ratio, name, BEFORE, banks),
            format_estimate(median_depth_ratio, name, BEFORE, banks),
            format_estimate(mean_depth_ratio, name, BEFORE, banks),
        )
        yield f"| {title} | {name} | {right:.1f} | {' | '.join(cells)} |"


def rule_rows(n: int, measured: Measurements, names: Sequence[str]) -> Iterator[str]:
    """Yield a row for each bank: accuracy and tokens of arms, over `beta` one at a time."""
    for (task, model), arms in measured.items():
        for name in names:
            cells = (format_estimate(gain, name, ONE, [arms]), format_estimate(token_ratio, name, ONE, [arms]))
            met = estimate(gain, [(arms[name], arms[ONE])])[0] >= -MAX_LOSS
            yield f"| {n} | {task}, {model} | {name} | {' | '.join(cells)} | {VERDICTS[met]} |"
