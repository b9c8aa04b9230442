"""Converts stored samples of MATH problems to a task and a sample bank that `cogitate eval` can replay.

    python -m tests.bench.import_bank math_100x8_scored.jsonl MODEL FOLDER

MODEL is a folder with the tokenizer that counts the samples' tokens, which the file does not contain. The task is
written to FOLDER/math_100.jsonl, the bank to FOLDER/math_100x8.jsonl.
"""

import json
import sys
from pathlib import Path
from typing import Any

import orjson
from transformers import AutoTokenizer

from cogitate.server.evaluation.sample import Recipe, Sample
from cogitate.server.evaluation.sample_bank import BankFile


def main(source: Path, model: str, folder: Path) -> None:
    rows: list[dict[str, Any]] = [json.loads(line) for line in source.read_text().splitlines()]
    folder.mkdir(parents=True, exist_ok=True)
    task = [{"question": row["question"], "answer": row["answer"]} for row in rows]
    (folder / "math_100.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in task))
    tokenizer = AutoTokenizer.from_pretrained(model)
    recipe = Recipe(task="math_100", model="unknown", instruction=f"\n\n{rows[0]['system']}", max_tokens=4096)
    bank = BankFile(folder / "math_100x8.jsonl", recipe)
    for at, row in enumerate(rows):
        for index, text in enumerate(row["code"]):
            tokens = len(tokenizer.encode(text)) + 1
            bank.add(
                Sample(
                    question=f"math_100:{at}",
                    index=index,
                    seed=index,
                    text=text,
                    finish="stop",
                    tokens=tokens,
                    prompt_tokens=0,
                )
            )
    bank.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
