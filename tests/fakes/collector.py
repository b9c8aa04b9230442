"""A real collector: rotel, whose program comes in a wheel. It passes on what it receives."""

import contextlib
import importlib.util
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

START_SECONDS = 10


def find_rotel() -> Path | None:
    """The program; None where the package is not installed."""
    spec = importlib.util.find_spec("rotel")
    return Path(spec.origin).with_name("rotel-agent") if spec and spec.origin else None


@contextlib.contextmanager
def collector(destination: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Run a collector that sends on to the OTLP/HTTP receiver at `destination`. Yields its URLs: gRPC and HTTP."""
    program = find_rotel()
    assert program is not None
    grpc, http = find_free_port(), find_free_port()
    command = [str(program), "start", "--pid-file", str(folder / "pid")]
    command += ["--otlp-grpc-endpoint", f"127.0.0.1:{grpc}", "--otlp-http-endpoint", f"127.0.0.1:{http}"]
    command += ["--exporter", "otlp", "--otlp-exporter-endpoint", destination, "--otlp-exporter-protocol", "http"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--batch-timeout", "20ms"], stdout=log, stderr=log)
    try:
        wait_until_open(grpc, process)
        yield f"http://127.0.0.1:{grpc}", f"http://127.0.0.1:{http}"
    finally:
        process.terminate()
        process.wait(10)


def wait_until_open(port: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError("the collector does not start")


def find_free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
