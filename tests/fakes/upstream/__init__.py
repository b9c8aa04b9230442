"""An OpenAI-compatible upstream that returns scripted texts without delay, and fails in every way a real one does.

It replaces replicas in tests and benchmarks: a real server on a real socket, fast enough that the client is what a
benchmark measures. `python -m tests.fakes.upstream --port N` runs one as a process; `async with
FakeUpstream(Script(...)) as fake` runs one in the caller's event loop. Its counters are at GET /counters.
"""

from tests.fakes.upstream.script import Fault, Script
from tests.fakes.upstream.server import Counters, FakeUpstream

__all__ = ["Counters", "FakeUpstream", "Fault", "Script"]
