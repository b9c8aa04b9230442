"""The Node client of the lock file, installed for a test."""

import shutil
import subprocess
from pathlib import Path

import pytest

NODE = Path(__file__).with_name("node")
OLDEST = 20


def installed(folder: Path) -> Path:
    """`folder` with the programs and their packages; skips the test where there is no Node, or no registry."""
    for command in ("node", "npm"):
        if shutil.which(command) is None:
            pytest.skip(f"{command} is not installed")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.removeprefix("v").split(".")[0]) < OLDEST:
        pytest.skip(f"the client needs Node {OLDEST}, and this is {version.strip()}")
    shutil.copytree(NODE, folder, dirs_exist_ok=True)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if ran.returncode:
        pytest.skip(f"npm cannot install the client: {ran.stderr.strip().splitlines()[-1:]}")
    return folder
