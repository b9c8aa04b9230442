"""The README's table of strategies, from the types: python -m tests.bench.strategies_table writes it there."""

from pathlib import Path

from strategies import STRATEGIES
from strategies.options import Options

README = Path(__file__).resolve().parents[2] / "README.md"
BEGIN, END = "checked by tests/server/test_readme.py -->\n", "<!-- /strategies -->"
WHEN = {
    "chain_of_thought": "one answer, with its steps; the cheapest",
    "self_consistency": "questions with one short answer; the best value",
    "best_of_n": "answers that a verifier can tell apart",
    "program_aided": "arithmetic and counting; needs `--code-exec`",
    "budget_forcing": "a model that thinks too little, or too long",
    "beam_search": "long solutions, with a verifier of steps",
    "dvts": "long solutions, with a verifier of steps and a large n",
    "particle_filter": "long solutions, with a verifier that errs now and then",
    "self_refine": "prose and code, with a verifier that can tell",
    "selection": "prose and code, which no vote can count",
    "auto": "questions of any kind, easy ones cheaply",
    "synthesis": "hard questions on a strong model, and prose",
}
COST = {
    "chain_of_thought": "1 answer",
    "self_consistency": "at most n answers, fewer once the vote is decided, less of those that fall below a floor; "
    "with p_true or verifier a token more each",
    "best_of_n": "n answers, n verdicts (of `pairwise`: at most 16n)",
    "program_aided": "at most n answers and n runs of a program, fewer once the vote is decided",
    "beam_search": "about n answers, a verdict for each step; each step of lookahead as much again",
    "dvts": "about n answers, a verdict for each step",
    "particle_filter": "about n answers in each iteration, a verdict for each step",
    "budget_forcing": "1 answer, of at most max_tokens with its thinking; 20 tokens a probe",
    "self_refine": "1 answer, and for each round another, a verdict, and notes of at most 1024 tokens (none in a tree)",
    "selection": "n answers, 1 to 2n verdicts of at most 1024 tokens",
    "auto": "4 answers where they agree, at most n + 1",
    "synthesis": "n answers a round, each reading k others; fewer once they agree",
}


def table() -> str:
    rows = ["| `strategy` | what it does | when | cost | own options | paper |", "|---|---|---|---|---|---|"]
    for name, strategy in STRATEGIES.items():
        own = [f for f in strategy.model_fields if f != "name" and f not in Options.model_fields]
        options = ", ".join(f"`{field}` ({strategy.model_fields[field].default})" for field in own) or "–"
        paper = strategy.paper.removeprefix("arXiv:")
        link = f"[{paper}](https://arxiv.org/abs/{paper})"
        doc = (strategy.__doc__ or "").strip()
        rows.append(f"| `{name}` | {doc} | {WHEN[name]} | {COST[name]} | {options} | {link} |")
    return "\n".join(rows) + "\n"


def written(readme: str) -> str:
    """The part of the README that stands between the marks."""
    return readme.split(BEGIN)[1].split(END)[0]


if __name__ == "__main__":
    text = README.read_text()
    README.write_text(text.replace(written(text), table()))
