"""What a search that ends early is answered with: its best outcome so far, or the thought that is to be closed."""

from dataclasses import replace

from cogitate.strategies.core.election import Election
from cogitate.strategies.core.events import CANDIDATE_ROLES, Aborted, Sampled, TextEmitted
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.session import Session
from cogitate.strategies.core.types import Completion, Outcome


async def find_best(session: Session) -> Outcome | None:
    """Return the incumbent, else the longest candidate, those with an answer first; None where nothing was decoded."""
    run = Run(session)
    if (incumbent := session.incumbent) is not None:
        return incumbent if incumbent.answer else replace(incumbent, answer=await run.read(incumbent.completion))
    decodes = [e for e in session.trace if isinstance(e, Sampled | Aborted) and e.role in CANDIDATE_ROLES]
    made = [e.completion.as_final_answer if e.role == "step" else e.completion for e in decodes if e.completion.text]
    outcomes = [Outcome(completion, await run.read(completion)) for completion in made]
    if not outcomes:
        return None
    longest = sorted(outcomes, key=lambda o: (o.answer is not None, len(o.completion.text)), reverse=True)
    return replace(longest[0], alternatives=tuple(longest[1:]), election=Election("longest"))


def has_candidate(session: Session) -> bool:
    """Return whether a candidate has ended, or the strategy has proposed an outcome."""
    ended = (isinstance(event, Sampled) and event.role in CANDIDATE_ROLES for event in session.trace)
    return session.incumbent is not None or any(ended)


def is_settled(outcome: Outcome) -> bool:
    """Return whether an outcome is an answer as it is: one can be read from it, or the model has ended its turn."""
    return outcome.answer is not None or outcome.completion.is_complete


def agrees_with_stream(completion: Completion, session: Session) -> bool:
    """Return whether a stream can end with this text: what it has shown so far is the beginning, or begins with it."""
    shown, text = read_stream(session), completion.text if completion.content is None else completion.content
    return shown.startswith(text) or text.startswith(shown)


def find_thought(session: Session, prompt: Prompt) -> Completion | None:
    """Return the unfinished decode of an answer to `prompt`; None where there is none.

    It continues what a stream has shown, or else the incumbent; without one that does, it is the incumbent.
    """
    incumbent = session.incumbent.completion if session.incumbent else None
    start = read_stream(session) or (incumbent.text if incumbent else "")
    aborted = [e.completion for e in session.trace if isinstance(e, Aborted) and e.role in CANDIDATE_ROLES]
    texts = [(join_prefix(made, prompt).text, made) for made in aborted if made.text or made.prompt.segments]
    matches = [(text, made) for text, made in texts if text and text.startswith(start)]
    if matches:
        return max(matches, key=lambda match: len(match[0]))[1]
    return replace(incumbent, token_ids=()) if incumbent else None


def join_prefix(made: Completion, prompt: Prompt) -> Completion:
    """Return a decode with the text of its turn that it continues, after the beginning that `prompt` gives."""
    given, segments = len(prompt.segments), made.prompt.segments
    if len(segments) <= given:
        return made
    text = "".join(segment.text for segment in segments[given:]) + made.text
    start = replace(made.prompt, segments=segments[:given])
    return replace(made, prompt=start, text=text, token_ids=(), content=None, native=None)


def read_stream(session: Session) -> str:
    """Return the text that a stream has shown so far, without reasoning that the engine separates."""
    return "".join(e.delta.text for e in session.trace if isinstance(e, TextEmitted) and not e.delta.reasoning)
