"""Runs ruff with the project's configuration, for rules that a row of the fault list relies on."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TREES = ("server", "strategies")


@dataclass(frozen=True, slots=True)
class Violation:
    where: str
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.rule} {self.message}"


def count_source_files() -> int:
    """Return the number of source files that ruff checks; asserts that these are all."""
    files = run_ruff("--show-files", *TREES).splitlines()
    assert len(files) == sum(len(list((ROOT / tree).rglob("*.py"))) for tree in TREES) > 0
    return len(files)


def check_source(*rules: str) -> list[Violation]:
    """Check the source trees for `rules`; a `noqa` comment or per-file ignore with its reason is respected."""
    return parse(run_ruff("--select", ",".join(rules), "--output-format", "json", *TREES))


def check_text(text: str, path: str, *rules: str) -> list[Violation]:
    """Check `text` as if it were the contents of `path`."""
    options = ["--select", ",".join(rules), "--output-format", "json", "--stdin-filename", path, "-"]
    return parse(run_ruff(*options, text=text))


def run_ruff(*arguments: str, text: str = "") -> str:
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", *arguments]
    done = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def parse(output: str) -> list[Violation]:
    return [
        Violation(f"{Path(each['filename']).name}:{each['location']['row']}", each["code"], each["message"])
        for each in json.loads(output)
    ]
