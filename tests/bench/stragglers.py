"""What a search gains by early steps where a decode is as fast alone as among others: python -m tests.bench.stragglers

Runs the searches of tests/strategies/search/test_step_ahead.py over a scripted engine in virtual time, one second per
token, 60 seeds each, and prints a table: seconds without early steps over seconds with them, with its 95 % interval (a
bootstrap over seeds), and the tokens with them over those without. Most steps have 0 to 4 words, one in six has 15.
"""

from tests.bench.speculation import ratio_interval
from tests.strategies.search.test_step_ahead import SEARCHES, both

SEEDS = 60


def main() -> None:
    print("| search | scores of ended paths | ratio | 95 % interval | tokens | same |\n|---|---|--:|--:|--:|--:|")
    for name, search in SEARCHES.items():
        for is_pure in (True, False):
            pairs = [both(search, seed, is_pure=is_pure) for seed in range(SEEDS)]
            ratio, low, high = ratio_interval([a.seconds for a, _ in pairs], [b.seconds for _, b in pairs])
            tokens = sum(b.decoded for _, b in pairs) / sum(a.decoded for a, _ in pairs)
            same = sum(a.ranking == b.ranking and a.steps == b.steps for a, b in pairs)
            known = "known" if is_pure else "not known"
            cells = (name, known, f"{ratio:.2f}", f"{low:.2f} to {high:.2f}", f"{tokens:.2f}", f"{same} of {SEEDS}")
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
