"""Lists where our grades differ from math-verify's: python -m tests.bench.grading_differences BANKS.jsonl [SET ...].

Each line of the file has `set`, `question`, `gold` and `answers`, pairs of an answer and its tokens. Multiple choice,
whose answers are letters, is left out by naming the other sets. Each distinct (gold, answer) is graded once by both;
the pairs on which they differ are printed with their number of answers, to be read by a person: `ours` or `theirs`
says who takes the answer.
"""

import json
import logging
import sys
import time
from collections import Counter
from pathlib import Path

from cogitate.server.evaluation.equality import are_answers_equal

SECONDS = 3
"""math-verify's limit for one answer."""

Pair = tuple[str, str, str]
"""Set, gold, answer."""


def read_pairs(path: Path, sets: frozenset[str]) -> Counter[Pair]:
    """Count the distinct pairs of the named sets; of all sets where none is named."""
    pairs: Counter[Pair] = Counter()
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if not sets or row["set"] in sets:
            pairs.update((row["set"], row["gold"], answer) for answer, _ in row["answers"] if answer)
    return pairs


def is_right_by_math_verify(gold: str, answer: str) -> bool:
    """math-verify's verdict with its defaults, on both texts in boxes."""
    import math_verify  # its import takes a second, and warns

    parsed = [math_verify.parse(rf"\boxed{{{text}}}", parsing_timeout=SECONDS) for text in (gold, answer)]
    return bool(math_verify.verify(parsed[0], parsed[1], timeout_seconds=SECONDS))


def main(path: Path, sets: frozenset[str]) -> None:
    pairs = read_pairs(path, sets)
    start = time.perf_counter()
    ours = {pair: are_answers_equal(pair[2], pair[1]) for pair in pairs}
    seconds = time.perf_counter() - start
    logging.disable(logging.CRITICAL)
    theirs = {pair: is_right_by_math_verify(pair[1], pair[2]) for pair in pairs}
    total = pairs.total()
    right = [sum(pairs[pair] for pair, verdict in grades.items() if verdict) for grades in (ours, theirs)]
    differing = [pair for pair in pairs if ours[pair] != theirs[pair]]
    sys.stdout.write(f"{total} answers, {len(pairs)} distinct pairs; ours {seconds:.1f} s\n")
    sys.stdout.write(
        f"right: ours {right[0]} ({right[0] / total:.2%}), math-verify {right[1]} ({right[1] / total:.2%})\n"
    )
    for pair in sorted(differing, key=lambda pair: -pairs[pair]):
        side = "ours" if ours[pair] else "theirs"
        sys.stdout.write(f"{side}\t{pairs[pair]}\t{pair[0]}\t{pair[1]!r}\t{pair[2]!r}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), frozenset(sys.argv[2:]))
