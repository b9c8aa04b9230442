"""Accuracy against tokens and against time, as PNG and SVG."""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

from cogitate.server.evaluation.report import Row

TOKENS = "decoded tokens per question, aborted and verifiers' included"
MARKERS = "osv^"
"""Ten colours of each."""


class NoPlots(Exception):
    """Why there are none, in one line."""


def draw(rows: Sequence[Row], to: Path, title: str) -> list[Path]:
    """Writes TO-tokens and TO-time. Raises NoPlots where matplotlib is not installed."""
    time: Callable[[Row], float] = (
        (lambda row: row.seconds[0]) if any(any(row.seconds) for row in rows) else (lambda row: row.depth[1])
    )
    unit = "seconds, median" if any(any(row.seconds) for row in rows) else "sequential depth in tokens, median"
    return [
        *plot([row for row in rows if row.tokens], lambda row: row.tokens, TOKENS, title, to, "tokens"),
        *plot([row for row in rows if time(row)], time, unit, title, to, "time"),
    ]


def plot(rows: Sequence[Row], cost: Callable[[Row], float], axis: str, title: str, to: Path, kind: str) -> list[Path]:
    if not rows:
        return []
    try:
        matplotlib = importlib.import_module("matplotlib")
        matplotlib.use("Agg")
        pyplot, ticker = map(importlib.import_module, ("matplotlib.pyplot", "matplotlib.ticker"))
    except ImportError:
        raise NoPlots("no plots: they need matplotlib (pip install 'cogitate[eval]')") from None
    figure, axes = pyplot.subplots(figsize=(9, 5.5), layout="constrained")
    for at, row in enumerate(rows):
        low, high = 100 * max(0.0, row.accuracy - row.low), 100 * max(0.0, row.high - row.accuracy)
        marker, colour = "*" if row.arm.startswith("oracle") else MARKERS[at // 10 % len(MARKERS)], f"C{at % 10}"
        axes.errorbar(
            cost(row), 100 * row.accuracy, [[low], [high]], fmt=marker, color=colour, ms=8, lw=1, alpha=0.9,
            label=plain(row.arm.replace("self_consistency", "sc")),
        )  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())
    axes.set_xlabel(axis)
    axes.set_ylabel("accuracy, % (95 % interval)")
    axes.set_title(plain(title), loc="left", fontsize=11)
    axes.grid(alpha=0.25, which="both", lw=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    paths = [to.with_name(f"{to.name}-{kind}.{end}") for end in ("png", "svg")]
    for path in paths:
        figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)
    return paths


def plain(words: str) -> str:
    """A dollar would begin a formula."""
    return words.replace("$", r"\$")
