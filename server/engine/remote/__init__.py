"""The Backend port over OpenAI-compatible upstream servers ("replicas"). It needs neither PyTorch nor vLLM.

From the socket up:

    connection, transport       one HTTP/1.1 client connection; the connection pool behind httpx's transport interface
    replica, health, serial_calls   one upstream with its key and timeouts; when it is ejected; calls one at a time
    upstream_response           one call and its response, within limits (decompress, redact)
    discovery                   the addresses of upstreams with a DNS name, each of which is a replica
    load_balancer, config       ejection and retries; the operator's settings of an upstream
    replica_selection           which replica gets a call: by the prefixes of its prompt (prefix_chain, prefix_memory)
    request_body                the JSON bodies of upstream calls
    event_decoder               server-sent events as servers write them
    dialects                    what upstreams send in other forms than OpenAI's, and which fields they refuse
    stream_parser, parse        a stream's chunks -> a body -> a Completion (validate, logprobs)
    request, batching           the Engine port for one request; identical samples joined in one call with `n`
    continuation, early_stop    token-exact continuation; ending a sample whose confidence is too low
    response_limit              how many bytes a response may have
    passthrough, response       the upstream's own response, forwarded; a Completion as an OpenAI response
    response_validator          what of a forwarded response is checked
    capabilities, model_card    what the upstream supports, and which model it serves
    backend                     the port itself: start, shutdown, requests

An upstream's responses are untrusted input: what is readable is read, and what is not known is unknown. A response that
cannot be an answer costs that one sample, never this process.
"""

from cogitate.server.engine.remote.backend import RemoteBackend
from cogitate.server.engine.remote.config import Timeouts, UpstreamConfig

__all__ = ["RemoteBackend", "Timeouts", "UpstreamConfig"]
