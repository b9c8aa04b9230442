"""The log under `vllm serve`: vLLM's handlers, levels and format hold for our lines too."""

import logging

from cogitate.server.observability.logs import REQUEST_ID


class VllmHandler(logging.Handler):
    """Hands records to the handlers that vLLM's logger has at that time: vLLM may configure them anew."""

    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger("vllm").callHandlers(record)


def attach_log() -> None:
    """Send our log to where vLLM's goes, unless the operator's own configuration has a place for it."""
    log = logging.getLogger("cogitate")
    if log.level == logging.NOTSET:
        log.setLevel(logging.getLogger("vllm").getEffectiveLevel())
    if not log.hasHandlers():
        log.addHandler(VllmHandler())
        log.propagate = False
    logging.getLogger("uvicorn.access").addFilter(is_not_ours)


def is_not_ours(_: logging.LogRecord) -> bool:
    """Leave out uvicorn's line of a request that has one of ours."""
    return not REQUEST_ID.get()
