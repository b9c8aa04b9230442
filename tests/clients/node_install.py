"""Installs the official Node clients from their lock file for a test."""

import shutil
import subprocess
from pathlib import Path

import pytest

NODE = Path(__file__).with_name("node")
MIN_NODE_VERSION = 20


def install_node_client(folder: Path) -> Path:
    """Copy the scripts to `folder`, install their packages there and return it.

    Skips the test where Node or npm is missing or too old, or where npm cannot install the packages.
    """
    for command in ("node", "npm"):
        if shutil.which(command) is None:
            pytest.skip(f"{command} is not installed")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.removeprefix("v").split(".")[0]) < MIN_NODE_VERSION:
        pytest.skip(f"the client needs Node {MIN_NODE_VERSION} or later; {version.strip()} is installed")
    shutil.copytree(NODE, folder, dirs_exist_ok=True)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if process.returncode:
        pytest.skip(f"npm cannot install the client: {process.stderr.strip().splitlines()[-1:]}")
    return folder
