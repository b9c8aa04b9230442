"""Issue forms, Dependabot's settings and CONTRIBUTING.md: valid, and what they name exists."""

import re

import pytest

from tests.deploy import ROOT, find_program, load_yaml, run

GITHUB = ROOT / ".github"
ADVISORY = "../../security/advisories/new"
"""From a file at the root of a repository: GitHub's form for a private report."""


@pytest.mark.parametrize(
    ("schema", "pattern", "count"),
    [
        ("github-issue-forms", "ISSUE_TEMPLATE/[!c]*.yml", 2),
        ("github-issue-config", "ISSUE_TEMPLATE/config.yml", 1),
        ("dependabot", "dependabot.yml", 1),
    ],
)
def test_file_matches_githubs_schema(schema: str, pattern: str, count: int) -> None:
    files = sorted(GITHUB.glob(pattern))
    assert len(files) == count
    run(find_program("check-jsonschema", "deploy/requirements/dev.txt"), "--builtin-schema", f"vendor.{schema}", *files)


def test_dependabot_looks_into_folders_that_exist() -> None:
    updates = load_yaml(GITHUB / "dependabot.yml")["updates"]
    folders = [name for each in updates for name in each.get("directories", [each.get("directory")])]
    assert len(folders) >= 5 and [name for name in folders if not (ROOT / name.lstrip("/")).is_dir()] == []


def test_vulnerabilities_have_one_address() -> None:
    for name in ("SECURITY.md", "CONTRIBUTING.md"):
        text = (ROOT / name).read_text()
        assert re.findall(r"\]\((\S*advisor\S*)\)", text) == [ADVISORY] and "@" not in text


def test_commands_and_files_of_the_guide_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    targets = set(re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)", text, flags=re.MULTILINE))
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert {first or second for first, second in targets} <= known and len(targets) >= 5
    paths = re.findall(r"`((?:tests|strategies|deploy)/[\w./-]+)`", text)
    assert [path for path in paths if "NAME" not in path and not (ROOT / path).exists()] == [] and len(paths) >= 5
