"""Checks --workers against the settings that several processes need."""


def check_workers(workers: int, engine: str, has_redis: bool, max_generations: int | None) -> None:
    """Raises ValueError where the settings cannot work with this number of processes."""
    if workers == 1:
        return
    if engine == "vllm":
        raise ValueError(
            f"--workers {workers} needs --engine openai: vLLM's engine has one server process here. For several, start "
            "`VLLM_PLUGINS=cogitate vllm serve MODEL --api-server-count N`"
        )
    if not has_redis:
        raise ValueError(
            f"--workers {workers} needs --redis-url: through it cancels, traces, Idempotency-Key and the limits of "
            "keys reach every process"
        )
    if max_generations is not None and max_generations < workers:
        raise ValueError(
            f"--max-generations {max_generations} is less than one for each of --workers {workers}: raise it, or start "
            "fewer workers"
        )


def share_of(total: int | None, workers: int, number: int) -> int | None:
    """Return the part of a limit that worker `number`, from 1 on, has: the parts add up to the limit."""
    return None if total is None else total // workers + (number <= total % workers)
