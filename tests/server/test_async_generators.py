"""Every async generator that the server iterates over is closed on cancellation, not by the garbage collector."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from cogitate import server

ROOT = Path(server.__file__).parent if server.__file__ else Path(next(iter(server.__path__)))
NOT_GENERATORS = {"process.stdout"}
"""A StreamReader, which holds nothing that is to be closed."""
MIN_FILES = 100


def find_unclosed_iterations(source: str) -> list[str]:
    """Return what is iterated over with `async for` and closed by no `aclosing` and no `finally` around it."""
    return [ast.unparse(target) for target, closed in _iterations(ast.parse(source), frozenset()) if not closed]


def _iterations(node: ast.AST, closed: frozenset[str]) -> Iterator[tuple[ast.expr, bool]]:
    """Yield what each `async for` iterates over, and whether it is among `closed` names there."""
    if isinstance(node, ast.AsyncFor) or (isinstance(node, ast.comprehension) and node.is_async):
        name = ast.unparse(node.iter)
        yield node.iter, name in closed or name in NOT_GENERATORS
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        closed = frozenset()  # another time
    for child in ast.iter_child_nodes(node):
        yield from _iterations(child, closed | _closed_by(node))


def _closed_by(node: ast.AST) -> frozenset[str]:
    if isinstance(node, ast.AsyncWith):
        contexts = [item.context_expr for item in node.items if _is_aclosing(item.context_expr)]
        bound = [item.optional_vars for item in node.items if _is_aclosing(item.context_expr) and item.optional_vars]
        arguments = [call.args[0] for call in contexts if isinstance(call, ast.Call)]
        return frozenset(map(ast.unparse, [*arguments, *bound]))
    if isinstance(node, ast.Try):
        calls = [call for last in node.finalbody for call in ast.walk(last) if isinstance(call, ast.Call)]
        closing = [call.func for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "aclose"]
        return frozenset(ast.unparse(function.value) for function in closing)
    return frozenset()


def _is_aclosing(expression: ast.expr) -> bool:
    return isinstance(expression, ast.Call) and ast.unparse(expression.func).endswith("aclosing")


@pytest.mark.parametrize(
    "source",
    [
        "async def f():\n async for x in g(): pass",
        "async def f(g):\n async for x in g: pass",
        "async def f():\n return [x async for x in g()]",
        "async def f(g):\n async with aclosing(h): \n  async for x in g: pass",
        "async def f(g):\n async with open(g):\n  async for x in g: pass",
        "async def f(g):\n async with aclosing(g):\n  async def inner():\n   async for x in g: pass",
        "async def f(g):\n try:\n  async for x in g: pass\n finally:\n  await h.aclose()",
    ],
)
def test_an_iteration_that_nothing_closes_is_found(source):
    assert len(find_unclosed_iterations(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "async def f(g):\n async with aclosing(g):\n  async for x in g: pass",
        "async def f():\n async with aclosing(g()) as xs:\n  return [x async for x in xs]",
        "async def f(g):\n try:\n  async for x in g: pass\n finally:\n  await g.aclose()",
        "def f(g):\n for x in g: pass",
    ],
)
def test_an_iteration_that_is_closed_is_accepted(source):
    assert not find_unclosed_iterations(source)


def test_the_server_closes_every_async_generator():
    files = sorted(ROOT.rglob("*.py"))
    assert len(files) > MIN_FILES
    unclosed = {str(path.relative_to(ROOT)): find_unclosed_iterations(path.read_text()) for path in files}
    assert {name: found for name, found in unclosed.items() if found} == {}
    assert any("async for" in path.read_text() for path in files)
