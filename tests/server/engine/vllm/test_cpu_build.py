"""Broken CUDA packages are hidden: shown in new interpreters, each with packages written for the test on its path."""

import subprocess
import sys
from pathlib import Path

import pytest

CPU_BUILD = Path(__file__).parents[4] / "server" / "engine" / "vllm" / "cpu_build.py"
SCRIPT = f"""
import runpy
from importlib.util import find_spec
hide = runpy.run_path({str(CPU_BUILD)!r})["hide_broken_packages"]
hide()
hide()
print(*(name for name in ("torch", "torchvision", "torchaudio", "torchcodec") if find_spec(name)))
"""


def python(folder: Path, script: str, *arguments: str) -> list[str]:
    """Run `script` where only `folder` is installed. Returns the words that it prints."""
    command = [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(folder)!r})\n{script}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def install(folder: Path, **versions: str) -> None:
    for name, version in versions.items():
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
        (folder / name / "version.py").write_text(f"__version__ = '{version}'\n")


@pytest.mark.parametrize(
    ("versions", "visible"),
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
def test_cuda_builds_are_hidden_only_where_torch_is_a_cpu_build(
    tmp_path: Path, versions: dict[str, str], visible: list[str]
) -> None:
    install(tmp_path, **versions)
    assert python(tmp_path, SCRIPT) == visible


def test_a_package_without_a_version_file_is_not_hidden(tmp_path: Path) -> None:
    install(tmp_path, torch="2.13.0+cpu", torchvision="0.28.0+cu130")
    (tmp_path / "torchvision" / "version.py").unlink()
    assert python(tmp_path, SCRIPT) == ["torch", "torchvision"]


def test_cpu_build_as_main_module_runs_another_module_with_cuda_builds_hidden(tmp_path: Path) -> None:
    install(tmp_path, torch="2.13.0+cpu", torchvision="0.28.0+cu130")
    (tmp_path / "probe.py").write_text("import sys; print(__name__, sys.argv[1:], 'torchvision' in sys.modules)")
    run = f"import runpy; runpy.run_path({str(CPU_BUILD)!r}, run_name='__main__')"
    assert python(tmp_path, run, "probe", "x") == ["__main__", "['x']", "True"]
