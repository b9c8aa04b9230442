"""The Backend port over OpenAI-compatible replicas. It needs neither PyTorch nor vLLM.

From the wire up:

    wire, transport     one HTTP/1.1 connection; the connections to one host, behind httpx's transport interface
    replica, health     one upstream, its key and its deadlines; whether it is to be used
    replicas, reply     which replica, what is tried again, and the answer as it is read
    asking, events      what is said to the upstream, and how its streams are taken apart
    assembly, reading   its answer -> a Completion, every part of it checked (checks, logprobs)
    conversation        the Engine port: samples of one request;  continuing: on from the very tokens
    allowance           how long an answer may be
    joint               samples that are all waited for, in one call with `n`
    plain, watching     the upstream's own answer, passed on;  presenting: a Completion as OpenAI would write it
    abilities, models   what the upstream can do, and what it serves;  backend: the port, and its life

Everything an upstream says is untrusted. What is wrong with an answer loses that answer, never this process.
"""

from cogitate.server.engine.remote.backend import RemoteBackend
from cogitate.server.engine.remote.config import Patience, Upstream

__all__ = ["Patience", "RemoteBackend", "Upstream"]
