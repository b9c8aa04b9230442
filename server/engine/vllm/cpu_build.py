"""Work-arounds for vLLM's CPU build.

Hiding CUDA packages: vLLM's CPU wheel requires torchvision, torchaudio and torchcodec, and a package index may offer
them as CUDA builds only. A CUDA build next to a CPU build of PyTorch raises on import (`operator torchvision::nms does
not exist`; vllm #15372, pytorch/vision #9077). transformers sees that the package is installed, imports it and fails,
and vLLM with it; where the package is absent, both do without. So such builds are hidden. Where all builds match, or
the three are not installed (`make serve` leaves them out), nothing is hidden.

Precision: see `cpu_precision`. Engine arguments that only the CPU build needs: `load.CPU_DEFAULTS`.

`python -m cogitate.server.engine.vllm.cpu_build MODULE` runs a module with these packages hidden.
"""

import re
import runpy
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

COMPANION_PACKAGES = ("torchvision", "torchaudio", "torchcodec")


def build_label(package: str) -> str:
    """Return a package's build label, `cpu` or `cu130`, without importing the package; empty if it has none."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return ""
    version = Path(spec.origin).with_name("version.py")
    label = re.search(r"__version__ = '[^'+]*\+(\w+)", version.read_text()) if version.is_file() else None
    return label[1] if label else ""


def hide_broken_packages() -> None:
    """Make CUDA builds next to a CPU build of PyTorch raise ImportError, as if they were not installed.

    Call it while the main module is imported, before transformers or vLLM: spawned children import that module too.
    """
    if build_label("torch") == "cpu":
        broken = [name for name in COMPANION_PACKAGES if build_label(name).startswith("cu")]
        sys.modules.update(dict.fromkeys(broken))  # type: ignore[arg-type]


def hide_in_model_inspection() -> None:
    """Hide the same packages in vLLM's model inspection. Call it before an engine starts.

    vLLM inspects a model's class in a child process, `python -m` one of its modules, which does not import our main
    module. The command is a module variable of vLLM that exists to be replaced.
    """
    if any(name in sys.modules and sys.modules[name] is None for name in COMPANION_PACKAGES):
        from vllm.model_executor.models import registry

        registry._SUBPROCESS_COMMAND = [sys.executable, "-m", __name__, registry.__name__]


def cpu_precision() -> Mapping[str, object]:
    """Return the engine argument that loads the model in float32 on a CPU without a bfloat16 matrix product.

    Without AVX-512 or AMX, oneDNN computes a bfloat16 product in a plain loop. float32 takes twice the memory.
    """
    import torch

    return {} if torch.ops.mkldnn._is_mkldnn_bf16_supported() else {"dtype": "float32"}


if __name__ == "__main__":
    hide_broken_packages()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
