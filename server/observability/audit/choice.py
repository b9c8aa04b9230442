"""The choice: which candidate the search should have ended with, by its own rule."""

import math
from collections.abc import Callable

from cogitate.server.observability.audit.record import CANDIDATE_ROLES, Event, Record
from cogitate.server.observability.audit.report import Report
from cogitate.server.observability.audit.vote import (
    check_classes,
    check_scores,
    check_solutions,
    check_weights,
    compute_agreement,
)

EARLY = ("deadline", "budget", "asked", "draining")
"""Why a search ends before its strategy has chosen."""
FINISHED = 2
"""The completeness from which on a candidate came to its end."""


def check_choice(record: Record, report: Report) -> None:
    """Choose again."""
    end = record.end
    check_classes(record, report)
    if end is None:
        report.leave_open(f"the choice: the search has no outcome, its status is {record.trace['status']}")
        return
    for name in ("answer", "agreement", "stopped"):
        report.expect(is_so=record.trace[name] == end[name], otherwise=f"the trace and its end differ in {name}")
    if end["index"] in record.votes:
        report.compare("answer", end["answer"], record.votes[end["index"]]["answer"])
    check_scores(record, end["electorate"], report)
    check_solutions(record, end["electorate"], report)
    expected = RULES[end["rule"]](record, end, report)
    if expected is not None:
        report.compare(f"chosen ({end['rule'] or 'no others'})", end["index"], expected)


def choose_by_votes(record: Record, end: Event, report: Report) -> int:
    """The answer with the largest sum of weights, then votes, likelihood, and the earliest candidate.

    Of its candidates the one with the highest score, then likelihood, the shortest text, and the earliest.
    """
    electorate, votes = end["electorate"], record.votes
    check_weights(record, electorate, report)
    blocs = dict[int, list[Event]]()
    for row in electorate:
        if (own := votes[row["index"]]["class"]) is not None:
            blocs.setdefault(own, []).append(row)
    if not blocs:
        report.compare("agreement", end["agreement"], None)
        return choose_by_merit(record, end, report)
    first, *others = sorted(blocs.values(), key=lambda bloc: rank_bloc(bloc, record), reverse=True)
    finished = sum(record.decodes[row["index"]]["finish_reason"] != "unsure" for row in electorate)
    report.compare("agreement", end["agreement"], len(first) / finished)
    report.checked.append(f"votes by class {[len(bloc) for bloc in (first, *others)]}")
    chosen = max(first, key=lambda row: (row["score"] or 0.0, likelihood(row), -row["characters"], -row["index"]))
    return int(chosen["index"])


def rank_bloc(bloc: list[Event], record: Record) -> tuple[float, int, float, int]:
    weights = [record.votes[row["index"]]["weight"] for row in bloc]
    return math.fsum(weights), len(bloc), max(map(likelihood, bloc)), -min(row["index"] for row in bloc)


def choose_by_merit(record: Record, end: Event, report: Report) -> int:  # noqa: ARG001 all rules have one signature
    """The best single candidate: not given up, finished, by score, completeness, likelihood, and the earliest."""

    def merit(row: Event) -> tuple[bool, bool, float, int, float, int]:
        sure = record.decodes[row["index"]]["finish_reason"] != "unsure"
        finished = row["complete"] >= FINISHED and row["score"] != 0
        return sure, finished, row["score"] or 0.0, row["complete"], likelihood(row), -row["index"]

    return int(max(end["electorate"], key=merit)["index"])


def choose_refined(record: Record, end: Event, report: Report) -> int:  # noqa: ARG001
    """The last revision whose score was no lower than that of the best before it."""
    best, *revisions = end["electorate"]
    for revision in revisions:
        if revision["score"] is not None and revision["score"] >= (best["score"] or 0.0):
            best = revision
    return int(best["index"])


def choose_longest(record: Record, end: Event, report: Report) -> int:  # noqa: ARG001
    """The longest text, of those with an answer where there are any."""
    votes = record.votes
    made = [each for each in record.list_events("decode") if each["role"] in CANDIDATE_ROLES and each["characters"]]
    longest = max(made, key=lambda each: (votes[each["index"]]["answer"] is not None, each["characters"]))
    return int(longest["index"])


def choose_judged(record: Record, end: Event, report: Report) -> None:
    """Any of the candidates: the model has chosen."""
    members = [row["index"] for row in end["electorate"]]
    report.expect(is_so=end["index"] in members, otherwise=f"{end['index']} is none of the candidates {members}")
    report.leave_open("the choice among the candidates, which the model's verdicts made")
    _check_share(record, end, report)


def choose_written(record: Record, end: Event, report: Report) -> int:
    """The last text that was decoded as an answer."""
    _check_share(record, end, report)
    return max(index for index, decode in record.decodes.items() if decode["role"] in CANDIDATE_ROLES)


def choose_only(record: Record, end: Event, report: Report) -> int | None:
    """The last proposal of a search that was ended early; else all candidates must be parts of the one solution."""
    leaders = record.list_events("leader")
    if end["stopped"] in EARLY and leaders:
        return int(leaders[-1]["index"])
    path = [each["index"] for each in record.trace_back(end["index"])]
    others = [
        index
        for index, decode in record.decodes.items()
        if decode["role"] in CANDIDATE_ROLES and not decode["aborted"] and index not in path
    ]
    report.expect(is_so=not others, otherwise=f"the candidates {others} are no part of the answer")
    return int(end["index"])


def leave_open(what: str) -> "Rule":
    """Return a rule that a trace is not enough for."""

    def note(record: Record, end: Event, report: Report) -> None:  # noqa: ARG001
        report.leave_open(what)

    return note


def likelihood(row: Event) -> float:
    """Return the mean log-probability; minus infinity where it is unknown."""
    return -math.inf if row["logprob"] is None else float(row["logprob"])


def _check_share(record: Record, end: Event, report: Report) -> None:
    agreement = compute_agreement(record, end["electorate"], end["index"])
    if agreement is None:
        report.leave_open("the agreement, which counts equal texts: the answer has no value that could be read")
    else:
        report.compare("agreement", end["agreement"], agreement)


Rule = Callable[[Record, Event, Report], int | None]
RULES: dict[str | None, Rule] = {
    None: choose_only,
    "votes": choose_by_votes,
    "merit": choose_by_merit,
    "refined": choose_refined,
    "longest": choose_longest,
    "judged": choose_judged,
    "written": choose_written,
    "shown": leave_open("the choice: a stream had shown this text already"),
    "closed": leave_open("the choice: this text was closed for somebody who asked"),
}
