"""The built package: what the sdist and the wheel contain, and that an installed wheel is independent of the folder."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.deploy import ROOT

LINKS = {"deploy/package/cogitate/server", "deploy/package/cogitate/strategies"}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel of this tree."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def wheel(packages: Path) -> Path:
    (path,) = packages.glob("*.whl")
    return path


def list_tracked_files(*folders: str) -> set[str]:
    """Return the files of these folders that git tracks or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return {name for name in names if (ROOT / name).exists()}


def test_wheel_installs_one_top_level_package(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"cogitate", "cogitate-0.1.0.dist-info"}
    assert "cogitate/py.typed" in names


def test_wheel_has_every_file_of_both_trees(wheel: Path) -> None:
    expected = {f"cogitate/{name}" for name in list_tracked_files("server", "strategies")}
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.count("/") > 1 and "dist-info" not in name}
    assert packed == expected and len(expected) > 200


def test_sdist_has_every_tracked_file(packages: Path) -> None:
    (path,) = packages.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        packed = {member.name.split("/", 1)[1] for member in archive if member.isfile() or member.issym()}
    assert packed - {"PKG-INFO"} == list_tracked_files() - LINKS


def test_installed_wheel_ignores_a_folder_named_server_in_the_working_directory(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    for name in ("server", "strategies", "cogitate"):
        (tmp_path / "work" / name).mkdir(parents=True)
    script = "import cogitate.server.engine.vllm.plugin as plugin; print(plugin.__file__)"
    command, path = [sys.executable, "-c", script], {"PYTHONPATH": str(tmp_path / "site")}
    process = subprocess.run(command, cwd=tmp_path / "work", env=path, capture_output=True, text=True)
    assert process.stdout.strip() == str(tmp_path / "site/cogitate/server/engine/vllm/plugin.py"), process.stderr


def test_every_import_is_a_declared_dependency() -> None:
    process = subprocess.run([sys.executable, "-m", "deptry", "."], cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 0 and "Scanning" in process.stderr, process.stderr
