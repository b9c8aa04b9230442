"""What the README says is so."""

import re

from cogitate.server.cli import parser
from cogitate.strategies import STRATEGIES
from cogitate.strategies.core.advice import ADVICE
from tests.bench.write_strategy_docs import CATALOGUE, README, catalogue, table, written


def test_the_catalogue_is_the_types():
    assert CATALOGUE.read_text() == catalogue()
    assert ADVICE.keys() == STRATEGIES.keys()


def test_the_table_of_strategies_is_the_registrys():
    assert written(README.read_text()) == table()


def test_every_flag_it_names_exists():
    help_text = next(iter(parser()._subparsers._group_actions)).choices["serve"].format_help()  # noqa: SLF001
    for flag in set(re.findall(r"(--[a-z]+(?:-[a-z]+)+)", README.read_text())):
        assert flag in help_text, flag


def test_every_file_it_links_to_exists():
    for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", README.read_text()):
        assert (README.parent / target).exists(), target


def test_its_figures_are_those_of_the_results():
    results = README.parent / "deploy/results"
    rows = [row for row in section("Is it fast?").splitlines() if row.startswith("| ")][1:]
    assert len(rows) == 6 and set(rows) <= set((results / "speed.md").read_text().splitlines())
    shares, measured = re.findall(r"[\d.]+ (?=%)", section("Is it worth it?")), (results / "reasoning.md").read_text()
    assert len(shares) == 9 and all(f" {share}" in measured for share in shares)


def section(title: str) -> str:
    return README.read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]
