"""The command `cogitate`: serve, eval, keys, audit, completion."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import shtab
import uvloop
from pydantic import ValidationError

from cogitate.server.auth.keys import InvalidKeysFile, create_key
from cogitate.server.auth.manage_keys import list_keys, revoke_keys
from cogitate.server.config.parser import (
    FLAGS_OF_VLLM,
    Parser,
    add_serve_flags,
    complete_path,
    exit_with_error,
    suggest,
)
from cogitate.server.config.vllm_flags import Flag, InvalidVllmFlag, add_flags, to_engine_args
from cogitate.server.engine.vllm.cpu_build import hide_broken_packages
from cogitate.server.evaluation import flags as eval_flags
from cogitate.server.flags.names import to_flag
from cogitate.server.observability.audit import cli as audit
from cogitate.server.settings import Settings, explain, keys_file, list_unknown_variables

# Before anything imports transformers. Spawned engine processes import this module too.
hide_broken_packages()

DESCRIPTION = "An OpenAI-compatible server around vLLM with inference-time reasoning strategies, chosen per request."
SERVE_DESCRIPTION = """\
Serves MODEL on an OpenAI-compatible API. Without MODEL it serves a small demo model, which is installed with the
package.

Choose a strategy per request:
  body        "strategy": "self_consistency"      or  {"name": "self_consistency", "n": 16}
  model name  "model": "NAME@self_consistency"    for clients that can only set the model
GET /v1/strategies lists them with their options.

Every flag is also an environment variable, COGITATE_<FLAG>, and a key in the file of --config; flags win over
variables, and variables over the file. Any flag of `vllm serve` may follow MODEL: `cogitate serve --help=vllm` lists
them, and `--help=WORD` those with a word in their names.

OTEL_EXPORTER_OTLP_ENDPOINT sends a trace of each request to an OpenTelemetry collector, and OTEL_* variables have the
meaning of its SDK's. Prompts and answers are in it only with OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true.
"""
SERVE_EXAMPLES = """\
examples:
  cogitate serve
  cogitate serve Qwen/Qwen3-8B --tensor-parallel-size 2 --max-model-len 16384
  cogitate serve --config server.yaml --port 8001
  cogitate serve --engine openai --upstream http://10.0.0.1:8000/v1 --upstream http://10.0.0.2:8000/v1
  cogitate serve ./model --redis-url redis://127.0.0.1:6379/0 --reward-model Qwen/Qwen2.5-Math-PRM-7B
"""
COMPLETION_DESCRIPTION = """\
Prints a script that completes commands and flags. To try it:
  bash  source <(cogitate completion bash)
  zsh   source <(cogitate completion zsh)
  fish  cogitate completion fish | source
"""
SHELLS = ("bash", "zsh", "fish")


def build_parser() -> Parser:
    """Build the parser of the whole command line."""
    parser = Parser(prog="cogitate", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"cogitate {version('cogitate')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    raw = argparse.RawDescriptionHelpFormatter
    serve = commands.add_parser(
        "serve",
        help="serve a model",
        usage="cogitate serve [MODEL] [flags] [flags of vllm serve]",
        description=SERVE_DESCRIPTION,
        epilog=SERVE_EXAMPLES,
        formatter_class=raw,
        takes_vllm_flags=True,
    )
    add_serve_flags(serve)
    evaluation = commands.add_parser(
        "eval",
        help="measure accuracy and cost of strategies on a task",
        description=eval_flags.DESCRIPTION,
        epilog=eval_flags.EXAMPLES,
        formatter_class=raw,
    )
    eval_flags.add_flags(evaluation)
    add_key_commands(commands.add_parser("keys", help="create, list and revoke API keys"))
    add_audit_command(
        commands.add_parser(
            "audit", help="recompute a trace", description=audit.DESCRIPTION, epilog=audit.EXAMPLES, formatter_class=raw
        )
    )
    completion = commands.add_parser(
        "completion",
        help="complete flags in a shell",
        description=COMPLETION_DESCRIPTION,
        formatter_class=raw,
    )
    completion.add_argument("shell", choices=SHELLS, help="the shell")
    return parser


def add_key_commands(parser: argparse.ArgumentParser) -> None:
    """Add `keys new`, `keys list` and `keys revoke`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    new = actions.add_parser("new", help="create a key, print it once, and store its digest")
    new.add_argument("tenant", metavar="TENANT", help="whose key it is: one word; caches are never shared by tenants")
    listed = actions.add_parser("list", help="print the digest, the tenant and the limits of each key")
    revoke = actions.add_parser("revoke", help="remove keys; running servers notice it")
    revoke.add_argument("which", metavar="TENANT|DIGEST", help="a tenant, or the first digits of one key's digest")
    for each in (new, listed, revoke):
        file = each.add_argument(
            "--api-keys-file",
            type=Path,
            required=keys_file() is None,
            default=keys_file(),
            metavar="FILE",
            help="the keys file; `new` creates it if it is missing (default: $COGITATE_API_KEYS_FILE)",
        )
        complete_path(file, Path)


def add_audit_command(parser: argparse.ArgumentParser) -> None:
    """Add the argument of `audit`."""
    file = parser.add_argument("trace", metavar="TRACE.json", help="a trace; `-`: the standard input")
    complete_path(file, Path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line. Ends the process with one line on stderr for anything that the user can mend."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] == ["serve"] and (topic := next((word for word in words if word.startswith("--help=")), None)):
        return print_vllm_help(topic.removeprefix("--help="))
    given = build_parser().parse_args(words)
    run = {"serve": run_serve, "eval": run_eval, "keys": run_keys, "audit": run_audit, "completion": print_completion}[
        given.command
    ]
    try:
        run(given)
    except KeyboardInterrupt:
        sys.exit(130)


def run_serve(given: argparse.Namespace) -> None:
    from cogitate.server.launcher import CannotServe, serve
    from cogitate.server.workers.supervisor import supervise

    settings = build_settings(given)
    try:
        if settings.workers > 1:
            supervise(settings)
        else:
            uvloop.run(serve(settings))
    except CannotServe as error:
        exit_with_error(str(error), error.exit_status)


def run_eval(given: argparse.Namespace) -> None:
    from cogitate.server.evaluation.cli import CannotEvaluate, evaluate

    try:
        evaluate(given)
    except CannotEvaluate as error:
        exit_with_error(str(error))


def run_keys(given: argparse.Namespace) -> None:
    path: Path = given.api_keys_file
    try:
        if given.action == "new":
            lines = [create_key(path, given.tenant)]
        elif given.action == "list":
            lines = [str(key) for key in list_keys(path)]
        else:
            lines = [f"revoked {key}" for key in revoke_keys(path, given.which)]
    except (InvalidKeysFile, OSError) as error:
        exit_with_error(str(error))
    sys.stdout.writelines(f"{line}\n" for line in lines)


def run_audit(given: argparse.Namespace) -> None:
    sys.exit(audit.run(given.trace))


def print_completion(given: argparse.Namespace) -> None:
    sys.stdout.write(shtab.complete(build_parser(), given.shell))


def print_vllm_help(topic: str) -> None:
    from cogitate.server.engine import CannotStart
    from cogitate.server.engine.vllm.flags_help import print_flags

    try:
        print_flags(topic)
    except CannotStart as error:
        exit_with_error(str(error))


def build_settings(given: argparse.Namespace) -> Settings:
    """Build the settings from all sources. Ends the process with one line where they are invalid.

    Prints a line for each variable COGITATE_* that is no setting.
    """
    flags = {name: value for name, value in vars(given).items() if value is not None and name in Settings.model_fields}
    theirs: list[Flag] = getattr(given, FLAGS_OF_VLLM, [])
    try:
        if flags.get("engine") == "openai":
            refuse_vllm_flags(theirs)
        if theirs:
            flags["engine_args"] = add_flags(flags.get("engine_args"), to_engine_args(theirs))
        settings = Settings(**flags)
        if settings.engine == "openai":
            refuse_vllm_flags(theirs)
    except ValidationError as error:
        exit_with_error(explain(error, flags), 2)
    except ValueError as error:
        exit_with_error(f"{error} (see `cogitate serve --help`)", 2)
    for unknown in list_unknown_variables():
        sys.stderr.write(f"cogitate: {unknown}; it has no effect\n")
    return settings


def refuse_vllm_flags(flags: Sequence[Flag]) -> None:
    """Raises InvalidVllmFlag where the engine is not vLLM."""
    if flags:
        name = flags[0].name
        hint = suggest(name, [to_flag(each) for each in Settings.model_fields])
        raise InvalidVllmFlag(f"unrecognized arguments: {name}{hint or '; flags of vLLM need --engine vllm'}")


if __name__ == "__main__":
    main()
