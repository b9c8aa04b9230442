"""Sets the environment variables that vLLM reads, before vLLM is imported. Its processes inherit them."""

import os
from collections.abc import Collection, Mapping

from cogitate.server.config.telemetry import SERVICE_NAME, Telemetry
from cogitate.server.engine.vllm.cpu_build import hide_broken_packages
from cogitate.server.settings import preload, prepare_engine_environment

DEMO_MODEL_NAME = "smollm2-135m-instruct"
DEFAULTS = {
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "INFO",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",
    "TOKENIZERS_PARALLELISM": "false",
}
DEMO_DEFAULTS = {"HF_HUB_OFFLINE": "1"}
"""Set for the demo model, which is on disk: nothing has to be downloaded."""
PRELOADED_LIBRARIES = ("libtcmalloc_minimal.so.4", "libiomp5.so")
"""Libraries that engine processes load first, where installed: the CPU build is faster with them."""


def prepare(*, demo: bool, quiet: bool = False) -> None:
    """Set defaults before vLLM is imported. Variables that the operator has set keep their values."""
    prepare_engine_environment(
        {**({"VLLM_LOGGING_LEVEL": "WARNING"} if quiet else {}), **(DEMO_DEFAULTS if demo else {})}
    )
    prepare_engine_environment({**DEFAULTS, **bind_both_cores(os.sched_getaffinity(0))})
    preload(*PRELOADED_LIBRARIES)
    hide_broken_packages()


def trace_engine(telemetry: Telemetry, engine_args: Mapping[str, object]) -> Mapping[str, object]:
    """Let vLLM send its spans where ours are sent. Returns the argument that does it; empty where nothing is traced.

    vLLM reads the protocol of traces alone, and takes the endpoint as it is. Without its statistics
    (--disable-log-stats) its first span ends the engine.
    """
    if not telemetry.is_on or engine_args.get("disable_log_stats") or "otlp" not in (telemetry.exporters or ("otlp",)):
        return {}
    try:
        endpoint, protocol = telemetry.endpoint, telemetry.protocol
    except ValueError:
        return {}  # the line about it is written where our own exporter is built
    service = {} if telemetry.names_service else {"OTEL_SERVICE_NAME": SERVICE_NAME}
    prepare_engine_environment({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": protocol, **service})
    return {"otlp_traces_endpoint": endpoint}


def bind_both_cores(cores: Collection[int]) -> Mapping[str, str]:
    """Return the variable that lets the CPU build decode on both cores of a machine that has two; else none.

    By default the CPU build decodes on one core and reserves the other for its scheduler. On both cores, a plain
    request is 1.5 times as fast, and a vote of 16 samples 1.8 times. To measure the default, run
    `VLLM_CPU_OMP_THREADS_BIND=auto make bench`.
    """
    return {"VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, sorted(cores)))} if len(cores) == 2 else {}
