"""Votes of 16 over an upstream of lognormal latency, in virtual time: rows over waiting for all 16."""

from collections.abc import Iterator

from tests.bench.launch_policy.arms import BEFORE, BETA, DEFAULT, arms_of
from tests.bench.launch_policy.lognormal import build_lognormal_bank
from tests.bench.launch_policy.measured import estimate, mean_depth_ratio, measure_arm, token_ratio
from tests.bench.launch_policy.tables import format_estimate
from tests.bench.report import VERDICTS, say
from tests.bench.vote_wall import BARS, SAMPLES

QUESTIONS = 2000
ALL = "all"


def upstream_rows() -> Iterator[str]:
    yield "| right | arm | wall | at most | | tokens | at most | |\n|--:|---|--:|--:|---|--:|--:|---|"
    wanted = {ALL: f"self_consistency:n={SAMPLES},stop_rule=none", **arms_of(SAMPLES)}
    for share, bars in BARS.items():
        say(f"lognormal, {share:.0%} right")
        stored = build_lognormal_bank(share, SAMPLES, QUESTIONS)
        arms = {
            name: measure_arm(wanted[name], stored.questions, stored.bank, 1) for name in (ALL, BEFORE, BETA, DEFAULT)
        }
        for name in (BEFORE, BETA, DEFAULT):
            cells = []
            for figure, bar in zip((mean_depth_ratio, token_ratio), bars, strict=True):
                met = estimate(figure, [(arms[name], arms[ALL])])[0] <= bar
                cells += [format_estimate(figure, name, ALL, [arms]), f"{bar}", VERDICTS[met]]
            yield f"| {share:.0%} | {name} | {' | '.join(cells)} |"
