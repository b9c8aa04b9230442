"""The bill: every token that the engine read or decoded for a search."""

from cogitate.server.observability.audit.record import Event, Record
from cogitate.server.observability.audit.report import Report


def check_bill(record: Record, report: Report) -> None:
    """Recompute the usage from decodes and verdicts."""
    bill, recorded = compute_bill(record), record.trace["usage"]
    for name, tokens in bill.items():
        report.compare(name, recorded[name], tokens)
    indices = [decode["index"] for decode in record.list_events("decode")]
    report.expect(is_so=len(set(indices)) == len(indices), otherwise="two decodes have one index")
    started = {event["index"] for event in record.list_events("start")}
    for decode in record.paid:
        index = decode["index"]
        report.expect(is_so=index in started, otherwise=f"decode {index} never started")
        paid_before = sum(each["tokens"] for each in record.trace_back(index)[1:])
        report.expect(
            is_so=decode["prefix_tokens"] <= paid_before,
            otherwise=f"decode {index}: {decode['prefix_tokens']} tokens of its prompt are not billed, and the decodes "
            f"that it continues have only {paid_before}",
        )


def compute_bill(record: Record) -> dict[str, int]:
    """Compute the usage.

    A prompt counts once for all decodes that share it, and text inserted into the assistant's turn each time. The
    prefix that earlier decodes have decoded does not count again. Cached is what was cached before a prompt's first
    decode. What reward models read counts as prompt and as verification.
    """
    paid, by_prompt = record.paid, dict[int, list[Event]]()
    for decode in paid:
        by_prompt.setdefault(decode["prompt"], []).append(decode)
    read = sum(verdict["tokens"] for verdict in record.list_events("verdict"))
    return {
        "prompt_tokens": sum(map(count_prompt, by_prompt.values())) + read,
        "cached_tokens": sum(map(count_cached, by_prompt.values())),
        "completion_tokens": sum(decode["tokens"] for decode in paid),
        "aborted_tokens": sum(decode["tokens"] for decode in paid if decode["aborted"]),
        "verifier_tokens": sum(decode["tokens"] for decode in paid if decode["role"] == "verifier") + read,
        "uncounted": sum(not decode["counted"] for decode in paid),
        "depth": max((decode["depth"] for decode in paid), default=0),
    }


def count_prompt(decodes: list[Event]) -> int:
    """Count one prompt's tokens once, and what differs between its decodes each time."""
    once = min(map(count_new, decodes))
    return once + sum(count_new(decode) - once for decode in decodes)


def count_cached(decodes: list[Event]) -> int:
    known = [decode for decode in decodes if decode["cached_tokens"] is not None]
    return min((min(decode["cached_tokens"], count_new(decode)) for decode in known), default=0)


def count_new(decode: Event) -> int:
    """Count the tokens of a decode's prompt that no earlier decode of the search has decoded."""
    return int(decode["prompt_tokens"] - decode["prefix_tokens"])
