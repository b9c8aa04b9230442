"""Papers are independent: none imports another, and no room imports one. Rooms have a contract in pyproject.toml."""

import grimp
import pytest

from cogitate.strategies import NAMES

ROOT = "cogitate.strategies"


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("cogitate")


def papers(graph: grimp.ImportGraph) -> set[str]:
    """The modules in the folder itself; rooms are packages, which have children."""
    return {module for module in graph.find_children(ROOT) if not graph.find_children(module)}


def test_every_module_beside_the_rooms_is_a_registered_strategy(graph):
    assert papers(graph) == {f"{ROOT}.{name}" for name in NAMES}
    assert len(NAMES) >= 12


def test_no_paper_imports_another(graph):
    found, imports = papers(graph), 0
    for paper in found:
        imported = graph.find_modules_directly_imported_by(paper)
        imports += len(imported)
        assert not imported & found, paper
    assert imports > 12


def test_no_room_imports_a_paper(graph):
    found, rooms = papers(graph), graph.find_descendants(ROOT) - papers(graph)
    assert len(rooms) > 40
    for paper in found:
        assert not graph.find_modules_that_directly_import(paper) & rooms, paper
