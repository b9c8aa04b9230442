"""Plots of accuracy against tokens and against time, as PNG and SVG."""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

from cogitate.server.evaluation.report import Row

TOKENS_LABEL = "decoded tokens per question, aborted and verifiers' included"
MARKERS = "osv^"
"""Each marker is used with ten colours."""


class NoPlots(Exception):
    """matplotlib is not installed."""


def draw_plots(rows: Sequence[Row], path: Path, title: str) -> list[Path]:
    """Write PATH-tokens and PATH-time, and return the files. Raises NoPlots."""
    live = any(any(row.seconds) for row in rows)
    unit = "seconds, median" if live else "sequential depth in tokens, median"

    def time(row: Row) -> float:
        return row.seconds[0] if live else row.depth[1]

    return [
        *_draw([row for row in rows if row.tokens], lambda row: row.tokens, TOKENS_LABEL, title, path, "tokens"),
        *_draw([row for row in rows if time(row)], time, unit, title, path, "time"),
    ]


def _draw(
    rows: Sequence[Row], cost: Callable[[Row], float], label: str, title: str, path: Path, kind: str
) -> list[Path]:
    if not rows:
        return []
    try:
        matplotlib = importlib.import_module("matplotlib")
        matplotlib.use("Agg")
        pyplot, ticker = map(importlib.import_module, ("matplotlib.pyplot", "matplotlib.ticker"))
    except ImportError:
        raise NoPlots("no plots, since matplotlib is missing: pip install matplotlib") from None
    figure, axes = pyplot.subplots(figsize=(9, 5.5), layout="constrained")
    for at, row in enumerate(rows):
        low, high = 100 * max(0.0, row.accuracy - row.low), 100 * max(0.0, row.high - row.accuracy)
        marker, colour = "*" if row.arm.startswith("oracle") else MARKERS[at // 10 % len(MARKERS)], f"C{at % 10}"
        axes.errorbar(
            cost(row), 100 * row.accuracy, [[low], [high]], fmt=marker, color=colour, ms=8, lw=1, alpha=0.9,
            label=_escape(row.arm.replace("self_consistency", "sc")),
        )  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())
    axes.set_xlabel(label)
    axes.set_ylabel("accuracy, % (95 % interval)")
    axes.set_title(_escape(title), loc="left", fontsize=11)
    axes.grid(alpha=0.25, which="both", lw=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    files = [path.with_name(f"{path.name}-{kind}.{end}") for end in ("png", "svg")]
    for file in files:
        figure.savefig(file, dpi=150, metadata={"Date": None} if file.suffix == ".svg" else None)
    pyplot.close(figure)
    return files


def _escape(text: str) -> str:
    """Escape dollar signs, which begin a formula."""
    return text.replace("$", r"\$")
