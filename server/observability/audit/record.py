"""A trace as it was downloaded, with its events by kind."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

VERSION = 1
CANDIDATE_ROLES = ("candidate", "step")
"""The roles whose decodes compete for the answer."""
Event = dict[str, Any]


class Unreadable(Exception):
    """The file is no trace, or one that this version cannot read."""


@dataclass(frozen=True)
class Record:
    """One search."""

    trace: dict[str, Any]
    events: list[Event]

    @classmethod
    def parse(cls, trace: object) -> "Record":
        """Raises Unreadable."""
        if not isinstance(trace, dict) or trace.get("object") != "trace" or not isinstance(trace.get("events"), list):
            raise Unreadable("this is no trace: get one from /v1/traces/ID")
        if trace.get("version") != VERSION:
            raise Unreadable(f"the trace has version {trace.get('version')}, and this program reads version {VERSION}")
        return cls(trace, trace["events"])

    def list_events(self, kind: str) -> list[Event]:
        return [event for event in self.events if event["kind"] == kind]

    @cached_property
    def decodes(self) -> dict[int, Event]:
        """By index."""
        return {event["index"]: event for event in self.list_events("decode")}

    @cached_property
    def paid(self) -> list[Event]:
        """The decodes of this search, without those that an earlier one has paid for."""
        return [decode for decode in self.list_events("decode") if not decode.get("reused")]

    @cached_property
    def votes(self) -> dict[int, Event]:
        """The last vote of each candidate."""
        return {event["index"]: event for event in self.list_events("vote")}

    @cached_property
    def scores(self) -> dict[int, float | None]:
        """The last score of each candidate that a verifier has scored."""
        return {event["index"]: event["score"] for event in self.list_events("verdict")}

    @cached_property
    def end(self) -> Event | None:
        """None while the search runs, or where it failed."""
        return next(iter(self.list_events("end")), None)

    @property
    def options(self) -> dict[str, Any]:
        return self.trace.get("strategy") or {}

    def trace_back(self, index: int) -> list[Event]:
        """Return a decode and those that it continues, the first one last."""
        decodes, path = self.decodes, list[Event]()
        at: int | None = index
        while at is not None and len(path) <= len(decodes):
            path.append(decodes[at])
            at = decodes[at]["parent"]
        return path
