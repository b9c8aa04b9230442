"""Hides the CUDA builds of torchvision, torchaudio and torchcodec that stand beside a CPU build of PyTorch.

vLLM's CPU wheel requires the three, and an index may have them for CUDA only, so `pip install .[cpu]` brings packages
that raise as they are imported (`operator torchvision::nms does not exist`). transformers sees that they are
installed, imports them and fails, and vLLM with it; told that they are absent, both do without. Where all builds
match, or the three are not there (`make serve` leaves them out), nothing happens here.

`python -m cogitate.server.engine.vllm.cpu_build MODULE` runs a module with them hidden.
"""

import re
import runpy
import sys
from importlib.util import find_spec
from pathlib import Path

COMPANIONS = ("torchvision", "torchaudio", "torchcodec")


def build(package: str) -> str:
    """How a package says it was built, `cpu` or `cu130`, read without importing it; empty when it does not say."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return ""
    version = Path(spec.origin).with_name("version.py")
    label = re.search(r"__version__ = '[^'+]*\+(\w+)", version.read_text()) if version.is_file() else None
    return label[1] if label else ""


def hide_broken_packages() -> None:
    """Call it as the main module is imported, before transformers or vLLM: spawned children import that module too."""
    if build("torch") == "cpu":
        sys.modules.update({name: None for name in COMPANIONS if build(name).startswith("cu")})  # type: ignore[misc]


def hide_while_inspecting() -> None:
    """Call it once vLLM may be imported, before an engine starts.

    To look at a model's class vLLM runs `python -m` one of its modules, a child that knows nothing of our main
    module; the command is a variable that vLLM offers for such changes.
    """
    if any(name in sys.modules and sys.modules[name] is None for name in COMPANIONS):
        from vllm.model_executor.models import registry

        registry._SUBPROCESS_COMMAND = [sys.executable, "-m", __name__, registry.__name__]


if __name__ == "__main__":
    hide_broken_packages()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
