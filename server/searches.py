"""The searches of this process, each by its request's name: as far as it has come, or as it was."""

from dataclasses import dataclass, field

from server.api.narration import asked, narrated
from server.caller import Caller
from server.engine import Body
from server.jobs import Job
from server.metrics import Metrics
from server.plan import Plan
from server.traces import Told, Traces
from strategies.trace import Trace, usage


@dataclass(slots=True)
class Searches:
    metrics: Metrics
    traces: Traces
    under_way: dict[Caller, tuple[Plan, Trace]] = field(default_factory=dict)

    def began(self, plan: Plan, trace: Trace, job: Job[Body]) -> None:
        self.under_way[plan.caller] = plan, trace
        job.when_done(lambda: self._ended(plan, trace, job))

    def find(self, caller: Caller) -> bytes | None:
        for plan, trace in self.under_way.values():
            if plan.caller.name == caller.name:
                return Told(plan.caller, asked(plan), narrated(plan, trace, usage(trace), "running")).to(caller)
        return self.traces.find(caller)

    def _ended(self, plan: Plan, trace: Trace, job: Job[Body]) -> None:
        self.under_way.pop(plan.caller, None)
        spent = usage(trace)
        self.metrics.observe(plan, trace, spent)
        status = job.failure.code or "failed" if job.failure else "completed"
        self.traces.keep(plan.caller, asked(plan), narrated(plan, trace, spent, status))
