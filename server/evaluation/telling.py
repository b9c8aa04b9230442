"""What came out: a table on the screen, and beside it in files with plots."""

import argparse
import sys

from cogitate.server.evaluation.baselines import ONE
from cogitate.server.evaluation.comparison import Comparison
from cogitate.server.evaluation.plots import NoPlots, draw
from cogitate.server.evaluation.progress import note
from cogitate.server.evaluation.report import easier, markdown, rows
from cogitate.server.evaluation.results import Results


def tell(given: argparse.Namespace, comparison: Comparison, known: Results) -> None:
    results = known.of(comparison.wanted())
    table = rows(results, comparison.baseline)
    said = f"{given.title or given.task}: {table[0].questions} questions\n\n{markdown(table)}\n"
    if ONE in comparison.rows:
        easy = rows(easier(results, ONE), comparison.baseline)
        said += f"\nThe easier half, by the share of samples that are right: {easy[0].questions} questions\n\n"
        said += f"{markdown(easy)}\n"
    sys.stdout.write(said)
    if not given.out:
        return
    given.out.with_name(f"{given.out.name}.md").write_text(said)
    try:
        draw(table, given.out, given.title or given.task)
    except NoPlots as reason:
        note(str(reason))
