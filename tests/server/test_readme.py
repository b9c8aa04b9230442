"""What README.md, SECURITY.md and server/README.md state is true."""

import re

import pytest

from cogitate.server.cli import Parser, add_serve_flags
from tests.bench.write_strategy_docs import CATALOGUE, README, build_catalogue, build_table, extract_table


def test_strategy_catalogue_matches_the_option_types():
    assert CATALOGUE.read_text() == build_catalogue()


def test_strategy_table_of_the_readme_matches_the_registry():
    assert extract_table(README.read_text()) == build_table()


@pytest.mark.parametrize(
    ("document", "pattern", "at_least"),
    [
        ("README.md", r"--[a-z]+(?:-[a-z]+)+", 8),
        ("SECURITY.md", r"(?<=`)--[a-z-]+", 6),
        ("server/README.md", r"--[a-z]+(?:-[a-z]+)*", 2),
    ],
)
def test_every_flag_of_serve_named_in_a_document_exists(document, pattern, at_least):
    parser = Parser()
    add_serve_flags(parser)
    named = set(re.findall(pattern, (README.parent / document).read_text()))
    assert len(named) >= at_least
    assert named <= set(re.findall(r"--[a-z-]+", parser.format_help()))


def test_every_file_linked_from_the_readme_exists():
    for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", README.read_text()):
        assert (README.parent / target).exists(), target


def test_figures_of_the_readme_are_those_of_the_results():
    results = README.parent / "deploy/results"
    rows = [row for row in section("Is it fast?").splitlines() if row.startswith("| ")][1:]
    assert len(rows) == 6 and set(rows) <= set((results / "speed.md").read_text().splitlines())
    shares, measured = re.findall(r"[\d.]+ (?=%)", section("Is it worth it?")), (results / "reasoning.md").read_text()
    assert len(shares) == 9 and all(f" {share}" in measured for share in shares)


def section(title: str) -> str:
    return README.read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]
