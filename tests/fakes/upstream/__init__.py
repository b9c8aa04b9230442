"""An OpenAI-compatible upstream that says what a script says, at once, and breaks in every way a real one does.

It stands in for replicas in tests and benchmarks: a real server on a real socket, fast enough that what is measured is
the client. `python -m tests.fakes.upstream --port N` runs one by itself; `async with FakeUpstream(Script(...)) as fake`
runs one in the caller's event loop. Its counters are at GET /counters.
"""

from tests.fakes.upstream.script import Fault, Script
from tests.fakes.upstream.server import Counters, FakeUpstream

__all__ = ["Counters", "FakeUpstream", "Fault", "Script"]
