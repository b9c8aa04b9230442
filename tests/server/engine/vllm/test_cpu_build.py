"""What is hidden is seen in fresh interpreters, each with packages made for the test on its path."""

import subprocess
import sys
from pathlib import Path

import pytest

ABSENT = Path(__file__).parents[4] / "server" / "engine" / "vllm" / "cpu_build.py"
SCRIPT = f"""
import runpy
from importlib.util import find_spec
hide = runpy.run_path({str(ABSENT)!r})["hide_broken_packages"]
hide()
hide()
print(*(name for name in ("torch", "torchvision", "torchaudio", "torchcodec") if find_spec(name)))
"""


def python(folder: Path, script: str, *arguments: str) -> list[str]:
    """The words that `script` prints where `folder` is all that is installed."""
    command = [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(folder)!r})\n{script}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def install(folder: Path, **versions: str) -> None:
    for name, version in versions.items():
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
        (folder / name / "version.py").write_text(f"__version__ = '{version}'\n")


@pytest.mark.parametrize(
    ("versions", "seen"),
    [
        ({"torch": "2.13.0+cpu", "torchvision": "0.28.0+cu130", "torchcodec": "0.17.0+cu130"}, ["torch"]),
        ({"torch": "2.13.0+cpu", "torchvision": "0.28.0+cpu"}, ["torch", "torchvision"]),
        ({"torch": "2.13.0+cpu", "torchvision": "0.28.0"}, ["torch", "torchvision"]),
        ({"torch": "2.13.0+cu130", "torchaudio": "2.11.0+cu130"}, ["torch", "torchaudio"]),
        ({"torch": "2.13.0", "torchvision": "0.28.0"}, ["torch", "torchvision"]),
        ({"torch": "2.13.0+cpu"}, ["torch"]),
        ({}, []),
    ],
)
def test_only_cuda_builds_beside_a_cpu_torch_are_hidden(
    tmp_path: Path, versions: dict[str, str], seen: list[str]
) -> None:
    install(tmp_path, **versions)
    assert python(tmp_path, SCRIPT) == seen


def test_a_package_without_a_version_file_is_left_alone(tmp_path: Path) -> None:
    install(tmp_path, torch="2.13.0+cpu", torchvision="0.28.0+cu130")
    (tmp_path / "torchvision" / "version.py").unlink()
    assert python(tmp_path, SCRIPT) == ["torch", "torchvision"]


def test_a_module_can_be_run_with_them_hidden(tmp_path: Path) -> None:
    install(tmp_path, torch="2.13.0+cpu", torchvision="0.28.0+cu130")
    (tmp_path / "asks.py").write_text("import sys; print(__name__, sys.argv[1:], 'torchvision' in sys.modules)")
    run = f"import runpy; runpy.run_path({str(ABSENT)!r}, run_name='__main__')"
    assert python(tmp_path, run, "asks", "x") == ["__main__", "['x']", "True"]
