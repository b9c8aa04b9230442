"""`cogitate serve --help=WORD`: the help of vLLM's flags, by vLLM's own parser."""

from cogitate.server.engine import CannotStart
from cogitate.server.engine.vllm import env


def print_flags(word: str) -> None:
    """Print the flags of `vllm serve` with a word in their names, or of a group; all for "vllm".

    Raises CannotStart where vLLM is not installed, SystemExit once the help is printed.
    """
    env.prepare(demo=True, quiet=True)
    try:
        from vllm.utils.argparse_utils import FlexibleArgumentParser

        from cogitate.server.engine.vllm.vllm_imports import make_arg_parser
    except ImportError as error:
        raise CannotStart(f"vLLM cannot be imported ({error}), and so its flags cannot be listed") from None
    parser = make_arg_parser(FlexibleArgumentParser(prog="cogitate serve"))
    parser.parse_args([f"--help={'all' if word == 'vllm' else word}"])
