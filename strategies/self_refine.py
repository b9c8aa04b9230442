"""Self-refine: a draft is criticised and revised, and a revision is taken only if its verifier score is no lower.

critique: what is wrong with it, in words (Madaan et al., 2023, arXiv:2303.17651). verification: questions whose answers
would show an error, each answered by itself, without the draft (chain of verification, factored; Dhuliawala et al.,
2023, arXiv:2309.11495). tree: drafts and revisions of any earlier answer, as chosen by `search.ab_mcts` (Inoue et al.,
2025, arXiv:2503.04412). Deviation: the papers take every revision; models often make a right answer worse (Huang et
al., 2023, arXiv:2310.01798), so the outcome is the best of all iterates by the verifier's score.
"""

import re
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from cogitate.strategies.core.election import Election
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.prompts import ASK_ALONE, CRITICISE, GRADER, IMPROVE, QUESTIONS
from cogitate.strategies.core.quoting import MAX_QUOTED_CHARACTERS, final_text, quote_candidates, sanitise
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Completion, Outcome
from cogitate.strategies.search.ab_mcts import search
from cogitate.strategies.verifiers.options import UNIT_TESTS, VerifierOptions
from cogitate.strategies.voting.ballot import score_of

MAX_NOTE_TOKENS = 1024
"""Limit of a critique, a list of questions, and an answer to one."""
MAX_QUESTION_CHARACTERS = 1000
VERDICT = re.compile(r"(?i)verdict\W{0,8}(correct|revise)\b")
QUESTION = re.compile(r"(?m)^\W{0,4}\d{1,2}[.):]\s*(\S.*\?)")


class SelfRefine(VerifierOptions):
    """Draft, criticise, revise; retain a revision only if the verifier scores it no lower."""

    paper: ClassVar[str] = "arXiv:2303.17651"
    when: ClassVar[str] = "prose and code, with a verifier that can judge them"
    when_not: ClassVar[str] = (
        "arithmetic: a model that is asked for a mistake finds one, right or wrong; and without a verifier"
    )
    cost_note: ClassVar[str] = (
        "1 answer, and for each round another, a verdict, and notes of at most 1024 tokens (none in a tree)"
    )

    name: Literal["self_refine"] = "self_refine"
    method: Literal["critique", "verification", "tree"] = Field(
        default="critique",
        description="`critique`: revise by a critique; `verification`: revise by the answers to questions that would "
        "show an error; `tree`: draft anew or revise any earlier answer, as the scores so far suggest (AB-MCTS), best "
        "with an exact verifier.",
    )
    rounds: int = Field(
        default=2,
        ge=1,
        le=64,
        description="Maximum number of answers after the first; a critique may find nothing to revise.",
    )
    questions: int = Field(default=4, ge=1, le=16, description="Questions of `verification` in each round.")

    @property
    def in_flight(self) -> int:
        return self.questions if self.method == "verification" else 1

    @property
    def program_runs(self) -> int:
        return 1 + self.rounds if UNIT_TESTS in self.verifier_parts else 0

    def cost(self, max_tokens: int) -> int:
        """Draft and revisions, a verdict on each, and the notes that each revision is made by."""
        notes = {"critique": 1, "verification": 1 + self.questions, "tree": 0}[self.method]
        return (1 + self.rounds) * (max_tokens + max(1, self.verdict_tokens(1))) + self.rounds * notes * min(
            max_tokens, MAX_NOTE_TOKENS
        )

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        if self.method == "tree":
            return await search(prompt, 1 + self.rounds, self.score, run)
        draft = await self.answer(prompt, run)
        run.propose(draft)
        best = await self.score(draft, run)
        rest, iterates = list[Outcome](), [best]
        election = Election("refined", iterates)
        for _ in range(self.rounds):
            try:
                notes = await self.write_notes(prompt, best, run)
                if not notes:
                    break
                revision = await self.answer(build_revision_prompt(prompt, best, notes), run)
            except SampleFailed:
                break
            revision = await self.score(revision, run)
            iterates.append(revision)
            better = revision.score is not None and revision.score >= score_of(best)
            rest.append(best if better else revision)
            best = revision if better else best
            run.propose(replace(best, election=election))
        return replace(best, alternatives=tuple(sorted(rest, key=score_of, reverse=True)), election=election)

    async def answer(self, prompt: Prompt, run: Run) -> Outcome:
        completion = await run.generate(prompt)
        return Outcome(completion, await run.read(completion))

    async def score(self, outcome: Outcome, run: Run) -> Outcome:
        """Return the outcome with its score; None where the verdict is lost."""
        (score,) = await run.score(self.verifiers[0], [outcome.completion], self.aggregation)
        return replace(outcome, score=score)

    async def write_notes(self, prompt: Prompt, best: Outcome, run: Run) -> list[Completion]:
        """Return the critique, or the answered questions, on the best answer so far; empty: nothing to revise."""
        template = CRITICISE if self.method == "critique" else QUESTIONS
        note = await run.generate(
            build_note_prompt(template, prompt, best), role="verifier", max_tokens=MAX_NOTE_TOKENS
        )
        if self.method == "critique":
            return [] if is_approving(note) else [note]
        questions = QUESTION.findall(final_text(note))[: self.questions]
        if not questions:
            return []
        questions = [question[:MAX_QUESTION_CHARACTERS] for question in questions]
        prompts = [build_question_prompt(question).with_parent(note.index) for question in questions]
        answers = await run.generate_each(prompts, role="verifier", max_tokens=MAX_NOTE_TOKENS)
        return [
            replace(answer, text=f"{question}\n{final_text(answer)}", content=None)
            for question, answer in zip(questions, answers, strict=True)
            if answer
        ]


def build_note_prompt(template: str, prompt: Prompt, best: Outcome) -> Prompt:
    text = template.format(question=prompt.question.strip(), candidates=quote_candidates([best]))
    return Prompt((Message("system", GRADER), Message("user", text))).with_parent(best.completion.index)


def build_question_prompt(question: str) -> Prompt:
    """Return a prompt with one question alone, so that its answer does not depend on the draft."""
    return Prompt((Message("user", ASK_ALONE.format(question=sanitise(question, MAX_QUOTED_CHARACTERS))),))


def build_revision_prompt(prompt: Prompt, best: Outcome, notes: list[Completion]) -> Prompt:
    """Return the client's prompt, followed by the answer and the notes on it."""
    text = IMPROVE.format(candidates=quote_candidates([best, *map(Outcome, notes)]))
    revising = prompt.prefill(text) if isinstance(prompt.raw, tuple) else prompt.instruct(text)
    return revising.with_parent(best.completion.index)


def is_approving(critique: Completion) -> bool:
    """Return whether the critique's last verdict, after its thinking, is that the answer is correct."""
    verdicts = VERDICT.findall(final_text(critique))
    return bool(verdicts) and verdicts[-1].lower() == "correct"
