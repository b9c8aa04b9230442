"""The vote: which candidates count as one answer, what each counts for, and the share of the answer that won."""

import math
from typing import Any

from cogitate.server.observability.audit.record import Event, Record
from cogitate.server.observability.audit.report import Report

ROUNDING = 1e-6
"""Scores of verdicts are rounded to six digits."""
DECISIVE = 1024.0
"""The weight of a vote for the answer on which a window of samples has agreed."""


def check_classes(record: Record, report: Report) -> None:
    """Check that equal answers are in one class, and that a class is named after one of its candidates."""
    votes = record.votes
    by_answer, by_class = dict[str, set[int]](), dict[int, set[str]]()
    for index, vote in votes.items():
        answer, own = vote["answer"], vote["class"]
        report.expect(
            is_so=(answer is None) == (own is None), otherwise=f"vote {index} has the answer {answer!r}, class {own}"
        )
        if answer is not None and own is not None:
            by_answer.setdefault(answer, set()).add(own)
            by_class.setdefault(own, set()).add(answer)
            report.expect(is_so=own in votes, otherwise=f"vote {index} is in class {own}, which has not voted")
    for answer, classes in by_answer.items():
        report.expect(is_so=len(classes) == 1, otherwise=f"the answer {answer!r} is in the classes {sorted(classes)}")
    mixed = [sorted(answers) for answers in by_class.values() if len(answers) > 1]
    if mixed:
        report.leave_open(f"that these answers are equal, as the answer rules or a proof have found: {mixed}")


def check_weights(record: Record, electorate: list[Event], report: Report) -> None:
    """Check that votes weigh what the strategy's options say."""
    votes, options = record.votes, record.options
    voters = [row for row in electorate if votes[row["index"]]["class"] is not None]
    weights = [votes[row["index"]]["weight"] for row in voters]
    if all(weight == 1.0 for weight in weights):
        return
    if options.get("stop_rule") == "windows" and set(weights) <= {1.0, DECISIVE}:
        report.leave_open("that a window of samples agreed on the answer whose votes are decisive")
    elif options.get("weights") == "confidence":
        report.leave_open("the weights, which are the tokens' confidence: a trace has their mean log-probability alone")
    else:
        for row, weight in zip(voters, weights, strict=True):
            expected = expect_weight(row, options)
            report.expect(
                is_so=math.isclose(weight, expected, rel_tol=1e-12),
                otherwise=f"vote {row['index']} weighs {weight}, and by its score {expected}",
            )
        if options.get("weights") == "p_true":
            report.leave_open("the scores, which are the probabilities of the verdicts' first token")


def expect_weight(row: Event, options: dict[str, Any]) -> float:
    """Return what a vote weighs by its score."""
    score: float = row["score"] or 0.0
    if options.get("weights") == "p_true":
        return math.exp((score - 1) / float(options["softmax_temperature"]))
    return score


def check_scores(record: Record, electorate: list[Event], report: Report) -> None:
    """Check that candidates are compared by the scores that verifiers have given them.

    Where a verdict was lost the strategy fills it in.
    """
    for row in electorate:
        score = record.scores.get(row["index"])
        if score is not None and row["score"] is not None:
            report.expect(
                is_so=abs(score - row["score"]) <= ROUNDING,
                otherwise=f"candidate {row['index']} was compared by {row['score']}, and its verdict is {score}",
            )


def check_solutions(record: Record, electorate: list[Event], report: Report) -> None:
    """Check that each candidate has the length and the log-probability of its decodes."""
    for row in electorate:
        index, decode = row["index"], record.decodes[row["index"]]
        path = record.trace_back(index) if decode["role"] == "step" else [decode]
        characters = sum(each["characters"] for each in path)
        report.expect(
            is_so=row["characters"] == characters,
            otherwise=f"candidate {index} has {row['characters']} characters, and its decodes {characters}",
        )
        report.expect(
            is_so=len(path) > 1 or row["logprob"] == decode["logprob"],
            otherwise=f"candidate {index} has the log-probability {row['logprob']}, and its decode {decode['logprob']}",
        )


def compute_agreement(record: Record, electorate: list[Event], chosen: int) -> float | None:
    """Return the share of the votes that the chosen candidate's answer has; None where it has no answer."""
    votes = record.votes
    own = votes[chosen]["class"] if chosen in votes else None
    if own is None:
        return None
    return len([row for row in electorate if votes[row["index"]]["class"] == own]) / len(electorate)
