"""Self-refine: a draft is criticised and revised, and a revision is taken only if a verifier likes it no less.

critique: what is wrong with it, in words (Madaan et al., 2023, arXiv:2303.17651). verification: questions whose answers
would show an error, each answered by itself, without the draft (chain of verification, factored; Dhuliawala et al.,
2023, arXiv:2309.11495). tree: drafts and revisions of any earlier answer, as `tree_search` chooses (Inoue et al., 2025,
arXiv:2503.04412). Deviation: the papers take every revision; models often make a right answer worse (Huang et
al., 2023, arXiv:2310.01798), so the best of all iterates by the verifier's score is served.
"""

import re
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.prompts import ASK_ALONE, CRITICISE, GRADER, IMPROVE, QUESTIONS
from cogitate.strategies.core.quoting import MAX_QUOTED_CHARACTERS, final_text, quote_candidates, sanitise
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Completion, Message, Outcome, Prompt
from cogitate.strategies.search.ab_mcts import search
from cogitate.strategies.verifiers.options import UNIT_TESTS, VerifierOptions
from cogitate.strategies.voting.ballot import score_of

NOTE_TOKENS = 1024
"""At most, of a critique, a list of questions, or an answer to one."""
VERDICT = re.compile(r"(?i)verdict\W{0,8}(correct|revise)\b")
QUESTION = re.compile(r"(?m)^\W{0,4}\d{1,2}[.):]\s*(\S.*\?)")
LONGEST_QUESTION = 1000


class SelfRefine(VerifierOptions):
    """Draft, criticise, revise; keep a revision only if the verifier likes it no less."""

    paper: ClassVar[str] = "arXiv:2303.17651"

    name: Literal["self_refine"] = "self_refine"
    method: Literal["critique", "verification", "tree"] = Field(
        default="critique",
        description="Revise by a critique, by the answers to questions that would show an error, or as a tree: draft "
        "anew or revise any earlier answer, whatever the scores so far promise most of (AB-MCTS); best with an exact "
        "verifier",
    )
    rounds: int = Field(
        default=2, ge=1, le=64, description="Answers after the first, at most; a critique may find nothing to revise"
    )
    questions: int = Field(default=4, ge=1, le=16, description="Of verification, in each round")

    @property
    def in_flight(self) -> int:
        return self.questions if self.method == "verification" else 1

    @property
    def program_runs(self) -> int:
        return 1 + self.rounds if UNIT_TESTS in self.verifier_parts else 0

    def cost(self, max_tokens: int) -> int:
        """Draft and revisions, a verdict on each, and what each revision is made by."""
        notes = {"critique": 1, "verification": 1 + self.questions, "tree": 0}[self.method]
        return (1 + self.rounds) * (max_tokens + 1) + self.rounds * notes * min(max_tokens, NOTE_TOKENS)

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        if self.method == "tree":
            return await search(prompt, 1 + self.rounds, self.scored, run)
        made = await run.generate(prompt)
        draft = Outcome(made, await run.read(made))
        run.propose(draft)
        best = await self.scored(draft, run)
        past = list[Outcome]()
        for _ in range(self.rounds):
            try:
                notes = await self.notes(prompt, best, run)
                if not notes:
                    break
                made = await run.generate(improved(prompt, best, notes))
            except SampleFailed:
                break
            revision = await self.scored(Outcome(made, await run.read(made)), run)
            better = revision.score is not None and revision.score >= score_of(best)
            past.append(best if better else revision)
            best = revision if better else best
            run.propose(best)
        return replace(best, alternatives=tuple(sorted(past, key=score_of, reverse=True)))

    async def scored(self, outcome: Outcome, run: Run) -> Outcome:
        """With its score; without one where the verdict is lost."""
        (score,) = await run.score(self.verifiers[0], [outcome.completion], self.aggregation)
        return replace(outcome, score=score)

    async def notes(self, prompt: Prompt, best: Outcome, run: Run) -> list[Completion]:
        """What is to be said of the best so far; nothing where there is nothing to revise."""
        asked = CRITICISE if self.method == "critique" else QUESTIONS
        said = await run.generate(shown(asked, prompt, best), role="verifier", max_tokens=NOTE_TOKENS)
        if self.method == "critique":
            return [] if correct(said) else [said]
        questions = [found[:LONGEST_QUESTION] for found in QUESTION.findall(final_text(said))][: self.questions]
        if not questions:
            return []
        answers = await run.generate_each(
            [alone(asked) for asked in questions], role="verifier", max_tokens=NOTE_TOKENS
        )
        return [
            replace(answer, text=f"{question}\n{final_text(answer)}", content=None)
            for question, answer in zip(questions, answers, strict=True)
            if answer
        ]


def shown(words: str, prompt: Prompt, best: Outcome) -> Prompt:
    text = words.format(question=prompt.question.strip(), candidates=quote_candidates([best]))
    return Prompt((Message("system", GRADER), Message("user", text)))


def alone(question: str) -> Prompt:
    """One question, as if nobody had answered it yet."""
    return Prompt((Message("user", ASK_ALONE.format(question=sanitise(question, MAX_QUOTED_CHARACTERS))),))


def improved(prompt: Prompt, best: Outcome, notes: list[Completion]) -> Prompt:
    """The question as it was asked; behind it the answer, and what was said of it."""
    words = IMPROVE.format(candidates=quote_candidates([best, *map(Outcome, notes)]))
    return prompt.prefill(words) if isinstance(prompt.raw, tuple) else prompt.instruct(words)


def correct(critique: Completion) -> bool:
    """By the last verdict that the critic itself writes."""
    verdicts = VERDICT.findall(final_text(critique))
    return bool(verdicts) and verdicts[-1].lower() == "correct"
