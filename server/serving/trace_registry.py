"""The searches of this process, each by its request's name: as far as it has come, or as it was."""

from dataclasses import dataclass, field

from cogitate.server.auth.caller import Caller
from cogitate.server.engine import Body
from cogitate.server.observability.metrics import Metrics
from cogitate.server.observability.trace_json import asked, cached, narrated
from cogitate.server.observability.trace_origin import Borrowed, Borrowings
from cogitate.server.observability.trace_store import Told, Traces
from cogitate.server.planning.plan import Plan, numbered
from cogitate.server.serving.jobs import Job
from cogitate.strategies.core.trace import Trace, usage


@dataclass(slots=True)
class Searches:
    metrics: Metrics
    traces: Traces
    borrowings: Borrowings = field(default_factory=Borrowings)
    under_way: dict[Caller, tuple[Plan, Trace]] = field(default_factory=dict)

    def began(self, plan: Plan, trace: Trace, job: Job[Body]) -> None:
        self.borrowings.drop(plan.caller.name)
        self.under_way[plan.caller] = plan, trace
        job.when_done(lambda: self._ended(plan, trace, job))

    def lent(self, plan: Plan, body: Body) -> Body:
        """What another request has found, as what this one is answered with."""
        self.borrowed(plan, numbered(str(body.get("id"))))
        return body

    def borrowed(self, plan: Plan, number: str) -> None:
        """The answer of this number, which another request found, is given to this one too.

        A request that is sent again under its name is given what it found itself: nothing is borrowed.
        """
        if plan.strategy is None:
            return
        if number in self._own(plan.caller):
            self.borrowings.drop(plan.caller.name)
        else:
            self.borrowings.keep(plan.caller.name, Borrowed.by(plan, number))

    def number(self, plan: Plan) -> str:
        """Of the answer that this request found, or was given."""
        borrowed = self.borrowings.find(plan.caller.name)
        return borrowed.number if borrowed else plan.number

    def finder(self, caller: Caller) -> Caller:
        """By whose name the trace of the request of this name is told."""
        borrowed = self.borrowings.find(caller.name)
        return caller._replace(request_id=borrowed.number) if borrowed else caller

    def tell(self, caller: Caller) -> bytes | None:
        """All that this process can tell of the request of this name."""
        return self._whole(self.finder(caller)) or self.cached(caller)

    def cached(self, caller: Caller) -> bytes | None:
        """What can be told of it where nobody has the search any more."""
        borrowed = self.borrowings.find(caller.name)
        return cached(caller, borrowed) if borrowed else None

    def _own(self, caller: Caller) -> set[str]:
        """The numbers of what requests of this name have found here, or are finding."""
        finding = {plan.number for plan, _ in self.under_way.values() if plan.caller.name == caller.name}
        return finding | self.traces.numbers(caller)

    def _whole(self, caller: Caller) -> bytes | None:
        for plan, trace in self.under_way.values():
            if plan.caller.tenant == caller.tenant and caller.request_id in (plan.caller.request_id, plan.number):
                told = narrated(plan, trace, usage(trace), "running")
                return Told(plan.caller, plan.number, asked(plan), told).to(caller)
        return self.traces.find(caller)

    def _ended(self, plan: Plan, trace: Trace, job: Job[Body]) -> None:
        self.under_way.pop(plan.caller, None)
        spent = usage(trace)
        self.metrics.observe(plan, trace, spent)
        if job.outcome and numbered(str(job.outcome.get("id"))) != plan.number:
            return  # another process has found it meanwhile
        status = job.failure.code or "failed" if job.failure else "completed"
        self.traces.keep(plan.caller, plan.number, asked(plan), narrated(plan, trace, spent, status))
