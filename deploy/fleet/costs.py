"""What a request costs: of a gateway as measured in deploy/results, of an engine as assumed."""

import re
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "results"
RESULT_FILE = "remote.md"
SAMPLE_ROW = "each further sample, up to n=256"
"""Milliseconds."""
REQUEST_ROW = "processor time of 1,000 samples, 64 at once"
"""Seconds, for requests of eight samples."""
SAMPLES_OF_REQUEST_ROW = 8


@dataclass(frozen=True, slots=True)
class GatewayCosts:
    """Processor seconds of a gateway process."""

    request: float
    sample: float
    """Of each sample."""
    selection: float = 0.0
    """To select a replica, which takes longer the more there are."""


@dataclass(frozen=True, slots=True)
class EngineCosts:
    """One GPU with a model of 7 to 8 billion parameters. Assumed: deploy/results has no measurement on a GPU."""

    slots: float = 128
    """Sequences that run at once."""
    prefill_tokens_per_second: float = 10_000.0
    step: float = 0.012
    """Seconds of a decode step."""
    step_per_sequence: float = 0.000_1
    latency: float = 0.0
    """Seconds before each call is served."""
    cached_prompts: int = 150
    """Prompts of about a thousand tokens in the prefix cache."""


def read_gateway_costs(selection: float = 0.0) -> GatewayCosts:
    """Read the measured costs. Raises ValueError where a row is missing."""
    sample = read_figure(SAMPLE_ROW) / 1000
    request_of_eight = SAMPLES_OF_REQUEST_ROW * read_figure(REQUEST_ROW) / 1000
    return GatewayCosts(request_of_eight - SAMPLES_OF_REQUEST_ROW * sample, sample, selection)


def read_figure(row: str) -> float:
    """Return the first number of a row's figure."""
    for line in (RESULTS / RESULT_FILE).read_text().splitlines():
        cells = line.split("|")
        if len(cells) > 2 and cells[1].strip() == row and (number := re.search(r"[\d.]+", cells[2])):
            return float(number[0])
    raise ValueError(f"deploy/results/{RESULT_FILE} has no row {row!r}")
