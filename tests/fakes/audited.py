"""Audits the traces of scripted searches, as a client would audit those that it downloads."""

import json

from cogitate.server.auth.caller import Caller
from cogitate.server.observability.audit.cli import audit
from cogitate.server.observability.audit.report import Report
from cogitate.server.observability.trace_json import dump_trace
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.chat import ChatRequest
from cogitate.strategies.core.options import Options
from cogitate.strategies.core.session import Session
from cogitate.strategies.core.trace import usage

REQUEST = ChatRequest.model_validate({"model": "m", "messages": [{"role": "user", "content": "hi"}]})


def build_plan(strategy: Options, session: Session) -> Plan:
    return Plan(
        request=REQUEST,
        model="m",
        strategy=strategy,
        width=1,
        cost=1,
        key=None,
        sampling=session.request.sampling,
        caller=Caller("tenant", "key", "r1"),
        served_model="m",
        id="chatcmpl-r1",
    )


def dump_session(strategy: Options, session: Session, *, status: str = "completed") -> dict:
    """The trace of a search, as `GET /v1/traces/{id}` returns it."""
    return json.loads(dump_trace(build_plan(strategy, session), session.trace, usage(session.trace), status))


def audit_session(strategy: Options, session: Session) -> Report:
    return audit(dump_session(strategy, session))
