"""Environments of their own for clients, in .venv/clients, from the pinned lists in deploy/requirements/clients."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.deploy import DEPLOY

ENVIRONMENTS = Path(sys.prefix, "clients")
REQUIREMENTS = DEPLOY / "requirements/clients"


def install(name: str) -> Path:
    """Install a client unless it is there, and return the folder of its commands.

    Skips the test where pip cannot install it, as without a network.
    """
    folder, wanted = ENVIRONMENTS / name, REQUIREMENTS / f"{name}.txt"
    stamp = folder / "installed.txt"
    if not stamp.is_file() or stamp.read_text() != wanted.read_text():
        venv.create(folder, clear=True, with_pip=True)
        command = [folder / "bin/python", "-m", "pip", "install", "--disable-pip-version-check", "--no-deps", "-q"]
        process = subprocess.run([*command, "-r", wanted], capture_output=True, text=True)
        if process.returncode:
            pytest.skip(f"pip cannot install {name}: {process.stderr.strip().splitlines()[-1:]}")
        stamp.write_text(wanted.read_text())
    return folder / "bin"


def install_claude_code(version: str) -> Path:
    """Install Claude Code from npm unless it is there, and return the folder of its command.

    Its program is a binary in a package for each platform, which needs no Node.
    """
    folder = ENVIRONMENTS / f"claude-code-{version}"
    if not list(folder.glob("node_modules/.bin-native/claude")):
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder]
        try:
            process = subprocess.run(
                [*command, f"@anthropic-ai/claude-code@{version}"], capture_output=True, text=True, timeout=280
            )
        except FileNotFoundError:
            pytest.skip("npm is not installed")
        programs = [
            path
            for path in folder.glob("node_modules/@anthropic-ai/claude-code-*/claude")
            if "musl" not in path.parts[-2]
        ]
        if process.returncode or not programs:
            pytest.skip(f"npm cannot install Claude Code: {process.stderr.strip().splitlines()[-1:]}")
        native = folder / "node_modules/.bin-native"
        native.mkdir(exist_ok=True)
        (native / "claude").symlink_to(programs[0])
    return folder / "node_modules/.bin-native"
