"""The commands in deploy/results are valid: flags, strategies, modules and make targets exist."""

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

from cogitate.server.cli import build_parser
from cogitate.server.evaluation.arms import parse_arm
from cogitate.server.evaluation.flags import check_flags
from tests.deploy import DEPLOY, ROOT

FOLDER = DEPLOY / "results"
TEXT = "\n".join(path.read_text() for path in sorted(FOLDER.glob("*.md")))
PRINT_ARGUMENTS = """
print() { printf '%s\\0' "$@"; printf '\\n\\0'; }
cogitate() { print cogitate "$@"; }
python() { print python "$@"; }
"""
"""Shell functions that print the arguments of a command, each ended by NUL, and a line break after the last one."""


def read_code_blocks(text: str) -> list[str]:
    """Return the fenced blocks without a language."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    return [block for language, block in fences if not language]


def expand(block: str) -> list[list[str]]:
    """Return the arguments of each command, as a shell expands them. PATH is empty: no program can run."""
    command = ["/bin/bash", "-euc", PRINT_ARGUMENTS + re.sub(r"\bURL\b", "http://127.0.0.1:8000", block)]
    output = subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": ""}).stdout
    return [line.split("\0")[:-1] for line in output.split("\n\0")[:-1]]


def has_module(name: str) -> bool:
    """Whether a module exists, without an import of its packages. A package that is not installed is not checked."""
    package, *rest = name.split(".")
    spec = importlib.util.find_spec(package)
    if spec is None:
        return package == "vllm"
    path = Path(*(spec.submodule_search_locations or ())[:1], *rest)
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


COMMANDS = [command for block in read_code_blocks(TEXT) for command in expand(block)]


def test_code_blocks_have_commands() -> None:
    assert len(COMMANDS) >= 15
    assert {command[0] for command in COMMANDS} == {"cogitate", "python"}


@pytest.mark.parametrize("command", COMMANDS, ids=[" ".join(command)[:60] for command in COMMANDS])
def test_command_is_valid(command: list[str]) -> None:
    if command[0] == "python":
        assert command[1] == "-m" and has_module(command[2])
        return
    args = build_parser().parse_args(command[1:])
    if args.command == "eval":
        check_flags(args)
        assert [parse_arm(text) for text in args.strategies] or args.fill


def test_modules_and_make_targets_in_the_text_exist() -> None:
    modules = set(re.findall(r"python -m ([\w.]+)", TEXT))
    assert {module for module in modules if not has_module(module)} == set()
    targets = set(re.findall(r"`make ([a-z-]+)", TEXT))
    assert targets <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert len(modules) >= 3 and len(targets) >= 3


def test_linked_files_exist() -> None:
    targets = re.findall(r"\]\((?!https?://)([^)#]+)\)", TEXT)
    assert [target for target in targets if not (FOLDER / target).exists()] == []
    assert len(targets) >= 10
