"""Plans of requests that came before, byte for byte: a repeat that the cache will answer is not parsed again."""

import time
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field, replace

from cogitate.server.auth.caller import Caller
from cogitate.server.planning.plan import Plan, fresh_id

MOST = 256
LONGEST = 16 * 1024
"""Bytes of a body. Parsing a longer one takes less than answering it, however it is answered."""


@dataclass(slots=True)
class Recall:
    """The plan of a body depends on the body, on who sends it and on what was configured, and on nothing else."""

    kept: "OrderedDict[Hashable, Plan]" = field(default_factory=OrderedDict)

    def find(self, kind: type, body: bytes, by: Caller) -> Plan | None:
        plan = self.kept.get((kind, by.tenant, by.key, by.rights, body))
        if plan is None:
            return None
        return replace(plan, caller=by, id=fresh_id(plan.request), created=int(time.time()), began=time.monotonic())

    def keep(self, kind: type, body: bytes, plan: Plan) -> None:
        if plan.key is not None and len(body) <= LONGEST:
            by = plan.caller
            self.kept[kind, by.tenant, by.key, by.rights, body] = plan
            if len(self.kept) > MOST:
                self.kept.popitem(last=False)
