import time

import pytest

from cogitate.strategies.core.program_source import extract_program

SOLUTION = "def solution():\n    return 42\n"


def run(source: str | None) -> object:
    assert source is not None
    names: dict[str, object] = {}
    exec(source, names)  # noqa: S102 the programs are written here
    function = names["solution"]
    assert callable(function)
    return function()


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("so\n```python\nx = 1\n```\nwell", "x = 1\n"),
        ("```py\nx = 1\n```\n```Python3\nx = 2\n```", "x = 2\n"),
        ("```python\nx = 1\n```\n```python\n\n```", "x = 1\n"),
        ("<think>\n```python\nx = 1\n```</think> no", None),
        ("```python\nx = 1", None),
        ("```json\n{}\n```", None),
        ("```\njust some words\n```", None),
        ("", None),
        ("I would define a function.", None),
        ("import this idea: it is good", None),
    ],
)
def test_program_is_the_last_complete_one_of_the_reply(text: str, program: str | None) -> None:
    assert extract_program(text) == program


@pytest.mark.parametrize(
    "text",
    [
        f"```python\n{SOLUTION}```",
        f"```python\n{SOLUTION}```\nThen call it:\n```python\nprint(solution())\n```",
        f"```python\n{SOLUTION}```\n\nOutput:\n```\n42\n```",
        f"```python3\n{SOLUTION}```",
        f"``` Python 3.11\n{SOLUTION}```",
        f"~~~python\n{SOLUTION}~~~",
        f"````python\n{SOLUTION}````",
        f"```\n{SOLUTION}```",
        f"```{{.python}}\n{SOLUTION}```",
        SOLUTION,
        f"Here is the program:\n\n{SOLUTION}\nIt returns 42.",
        f"import math\n\n{SOLUTION}\nprint(solution())",
        "[PYTHON]\n" + SOLUTION + "[/PYTHON]",
        "<code>\n" + SOLUTION + "</code>",
        "```python\n>>> def solution():\n...     return 42\n... \n>>> solution()\n42\n```",
        ">>> def solution():\n...     return 42\n...\n>>> solution()\n42",
        "1. So:\n\n   ```python\n   def solution():\n       return 42\n   ```",
        "```python\nimport math\nHALF = 21\n```\nand\n```python\ndef solution():\n    return 2 * HALF\n```",
        "```python\ndef double(x):\n    return 2 * x\n```\n"
        "```python\ndef solution():\n    return double(21)\n```\n```python\nsolution()\n```",
        "```python\ndef solution():\n    return 41\n```\nNo:\n```python\ndef solution():\n    return 42\n```",
        "```python\ndef solution():\n    return 41 + one\n```\nwrong:\n```python\nsolution = lambda: 42\n```",
        f"```python\r\n{SOLUTION.replace(chr(10), chr(13) + chr(10))}```\r\n",
        f"<thinking>\n```python\nbad\n```\n</thinking>\n```python\n{SOLUTION}```",
    ],
)
def test_program_that_defines_the_solution_is_found_as_people_write_it(text: str) -> None:
    assert run(extract_program(text)) == 42


def test_definition_is_put_before_a_block_that_only_calls_it() -> None:
    text = "```python\ndef add(a, b):\n    return a + b\n```\nExample:\n```python\nprint(add(1, 2))\n```"
    assert extract_program(text) == "def add(a, b):\n    return a + b\n\nprint(add(1, 2))\n"


def test_call_follows_a_solution_that_needs_arguments() -> None:
    source = extract_program("```python\ndef solution(n):\n    return n\n```\n```python\nprint(solution(42))\n```")
    assert source is not None and source.endswith("print(solution(42))\n")


@pytest.mark.parametrize(
    "unit", ["```\n", "```python\n", "~~~\n", ">>> a\n", "def f(", "import a,", "a = 1\n", "x ", "<code>", "[PYTHON]"]
)
def test_hostile_reply_is_searched_in_bounded_time(unit: str) -> None:
    start = time.thread_time()
    extract_program(unit * (100_000 // len(unit)))
    assert time.thread_time() - start < 0.5
