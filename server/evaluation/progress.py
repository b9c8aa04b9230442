"""Progress bars and notes on stderr."""

import importlib
import sys
from typing import Any, Self, TextIO

LOG_INTERVAL_SECONDS = 10.0
"""Between updates where the output is no terminal."""
DELAY_SECONDS = 1.0
"""A shorter run shows no bar."""


class Progress:
    """A bar that counts finished requests or replays. A context manager, which closes the bar.

    tqdm is imported here and not with the module, because it belongs to the extra `eval`.
    """

    def __init__(self, label: str, total: int, output: TextIO | None = None, delay: float = DELAY_SECONDS) -> None:
        """`output`: where the bar is drawn; None: stderr."""
        output = output or sys.stderr
        interval = 0.1 if output.isatty() else LOG_INTERVAL_SECONDS
        self._tokens = 0
        self._bar: Any = importlib.import_module("tqdm").tqdm(
            desc=label, total=total, file=output, delay=delay, mininterval=interval, maxinterval=interval
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def advance(self, tokens: int = 0) -> None:
        """Count one more; `tokens`: those that it decoded, for the rate."""
        self._tokens += tokens
        if self._tokens:
            rate = self._tokens / max(self._bar.format_dict["elapsed"], 1e-9)
            self._bar.set_postfix_str(f"{rate:.0f} tokens/s", refresh=False)
        self._bar.update()


def note(line: str) -> None:
    """Write a line about the run to stderr."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
