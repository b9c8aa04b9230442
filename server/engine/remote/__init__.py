"""The Backend port over OpenAI-compatible upstream servers ("replicas"). It needs neither PyTorch nor vLLM.

From the socket up:

    connection, transport       one HTTP/1.1 client connection; the connection pool behind httpx's transport interface
    replica, health             one upstream with its key and timeouts, and its response; when it is ejected
    load_balancer, config       which replica gets a call, and retries; the operator's settings of an upstream
    request_body                the JSON bodies of upstream calls
    stream_parser, parse        a stream's chunks -> a body -> a Completion, every field validated (validate, logprobs)
    request, batching           the Engine port for one request; identical samples joined in one call with `n`
    continuation, early_stop    token-exact continuation; ending a sample whose confidence is too low
    response_limit              how many bytes a response may have
    passthrough, response       the upstream's own response, forwarded; a Completion as an OpenAI response
    capabilities, model_card    what the upstream supports, and which model it serves
    backend                     the port itself: start, shutdown, requests

An upstream's responses are untrusted input. An invalid response costs that one sample, never this process.
"""

from cogitate.server.engine.remote.backend import RemoteBackend
from cogitate.server.engine.remote.config import Timeouts, UpstreamConfig

__all__ = ["RemoteBackend", "Timeouts", "UpstreamConfig"]
