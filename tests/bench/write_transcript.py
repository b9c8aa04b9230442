"""What a user sees: each strategy by curl and by the official client, whole and streamed, against a running server.

python -m tests.bench.write_transcript [URL]     prints Markdown
"""

import json
import shlex
import subprocess
import sys

import openai

QUESTION = "What is 13 + 29?"
STRATEGIES: dict[str, dict[str, object]] = {
    "chain_of_thought": {},
    "self_consistency": {"n": 8},
    "best_of_n": {"n": 4, "verifier": "judge"},
    "beam_search": {"n": 4, "width": 2, "verifier": "programmatic"},
    "dvts": {"n": 4, "width": 2, "verifier": "judge"},
    "particle_filter": {"n": 4, "verifier": "judge"},
    "budget_forcing": {"max_thinking": 48, "answer_tokens": 32},
    "self_refine": {"rounds": 1},
    "selection": {"n": 3},
    "synthesis": {"n": 3, "loops": 1},
    "auto": {"n": 8},
}


def main(url: str) -> None:
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none")
    model = client.models.list().data[0].id
    print(f"# Transcript: `{model}`, asked “{QUESTION}”")
    for name, options in STRATEGIES.items():
        strategy = {"name": name, **options}
        print(f"\n## {name}\n")
        curl(url, model, strategy)
        python(client, model, strategy)
        streamed(client, model, strategy)


def curl(url: str, model: str, strategy: dict[str, object]) -> None:
    body = {"model": model, "strategy": strategy, "max_tokens": 120, "messages": ask()}
    command = [
        "curl",
        "-s",
        f"{url}/v1/chat/completions",
        "-H",
        "Content-Type: application/json",
        "-d",
        json.dumps(body),
    ]
    answer = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    print(f"```console\n$ {shlex.join(command)} | jq '.choices[0].message.content, .usage, .cogitate'")
    for part in (answer["choices"][0]["message"]["content"], answer["usage"], answer["cogitate"]):
        print(json.dumps(part, ensure_ascii=False))
    print("```\n")


def python(client: openai.OpenAI, model: str, strategy: dict[str, object]) -> None:
    answer = client.chat.completions.create(
        model=model, messages=ask(), max_tokens=120, extra_body={"strategy": strategy, "cache": "no-store"}
    )
    print(f"```python\n>>> answer = client.chat.completions.create(model={model!r}, messages=..., max_tokens=120,")
    print(f"...                                         extra_body={{'strategy': {strategy!r}, 'cache': 'no-store'}})")
    print(f">>> answer.choices[0].message.content\n{answer.choices[0].message.content!r}")
    print(f">>> answer.cogitate\n{answer.cogitate!r}\n```\n")


def streamed(client: openai.OpenAI, model: str, strategy: dict[str, object]) -> None:
    stream = client.chat.completions.create(
        model=model,
        messages=ask(),
        max_tokens=120,
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"strategy": strategy, "cache": "no-store"},
    )
    chunks = list(stream)
    said = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    print(f"Streamed: {len(chunks)} chunks, {len(said)} of them text; finish_reason ", end="")
    print(f"`{chunks[-2].choices[0].finish_reason}`, completion tokens {chunks[-1].usage.completion_tokens}:")
    print(f"\n```text\n{''.join(said)}\n```")


def ask() -> list[dict[str, str]]:
    return [{"role": "user", "content": QUESTION}]


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000")
