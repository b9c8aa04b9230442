"""Rejects verifiers, and options of verifiers, that a request or this server cannot use. Pure functions."""

from collections.abc import Mapping

from cogitate.server.errors import BadRequest, UnsupportedParameter
from cogitate.strategies import AnyStrategy
from cogitate.strategies.core.ports import Generative, Verifier
from cogitate.strategies.verifiers.comparative import MAX_COMPARED_SOLUTIONS
from cogitate.strategies.verifiers.options import AGREEMENT, REWARD, VerifierOptions

COMPLETE_ANSWER_CHECKS = frozenset({"number", "json", AGREEMENT})
"""Verifiers that need no option of their own, and the complete answer."""


def check_verifier_options(strategy: AnyStrategy) -> None:
    """Check that each named verifier has its option and a complete answer, and each option its verifier.

    Raises BadRequest.
    """
    if not isinstance(strategy, VerifierOptions):
        return
    parts = strategy.verifier_parts
    if strategy.stepwise and (unable := next((part for part in parts if part in COMPLETE_ANSWER_CHECKS), None)):
        raise _needs_complete_answer(unable, strategy.name)
    needed = {option: ((verifier,), is_given) for verifier, (option, is_given) in strategy.option_verifiers.items()}
    for option, (verifiers, is_given) in {**needed, **strategy.verifier_settings}.items():
        if is_given and not set(verifiers) & set(parts):
            names = " or ".join(verifiers)
            message = f"{option} only applies to the verifier {names}: set verifier to {names}, or omit {option}."
            raise BadRequest(message, param=f"strategy.{option}")
    for verifier, (option, is_given) in strategy.option_verifiers.items():
        is_named = verifier in parts
        if is_named and not is_given:
            raise BadRequest(f"The verifier {verifier} needs {option}: set it.", param=f"strategy.{option}")
        if is_named and strategy.stepwise:
            raise _needs_complete_answer(verifier, strategy.name)


def _needs_complete_answer(verifier: str, strategy: str) -> UnsupportedParameter:
    message = f"The verifier {verifier} needs the complete answer, and {strategy} scores unfinished ones: use another."
    return UnsupportedParameter(message, param="strategy.verifier")


def check_verifiers(strategy: AnyStrategy, verifiers: Mapping[str, Verifier]) -> None:
    """Check that this server has the verifiers, and that they can serve the strategy. Raises BadRequest."""
    check_verifier_names(strategy, verifiers)
    check_comparative_verifiers(strategy, verifiers)
    check_rationale(strategy, verifiers)


def check_verifier_names(strategy: AnyStrategy, known: Mapping[str, Verifier]) -> None:
    """Raises BadRequest for a verifier that this server does not have."""
    for name in strategy.verifiers:
        if name not in known:
            names = ", ".join(sorted(known))
            raise BadRequest(f"This server has no verifier `{name}`: use one of {names}.", param="strategy.verifier")


def check_comparative_verifiers(strategy: AnyStrategy, verifiers: Mapping[str, Verifier]) -> None:
    """Raises BadRequest where a verifier that compares candidates cannot serve the strategy.

    Such a verifier cannot score a single candidate, and it reads each candidate many times.
    """
    for name in strategy.verifiers:
        if not verifiers[name].compares:
            continue
        if not strategy.compares:
            use = "use it with best_of_n, or with self_consistency and stop_rule none"
            reason = f"and {strategy.name} needs a separate score for each candidate here"
            message = f"The verifier {name} compares complete candidates, {reason}: {use}."
            raise UnsupportedParameter(message, param="strategy.verifier")
        if strategy.candidates > MAX_COMPARED_SOLUTIONS:
            message = f"The verifier {name} compares at most {MAX_COMPARED_SOLUTIONS} candidates: lower n."
            raise BadRequest(message, param="strategy.n")


def check_rationale(strategy: AnyStrategy, verifiers: Mapping[str, Verifier]) -> None:
    """Raises UnsupportedParameter for a rationale of a reward model that writes none."""
    if not isinstance(strategy, VerifierOptions) or not strategy.rationale_tokens:
        return
    if REWARD in strategy.verifier_parts and not isinstance(verifiers.get(REWARD), Generative):
        message = "This server's reward model scores without a rationale: omit rationale_tokens."
        raise UnsupportedParameter(message, param="strategy.rationale_tokens")
