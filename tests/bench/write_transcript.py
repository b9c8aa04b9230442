"""Prints a transcript of each strategy in Markdown: python -m tests.bench.write_transcript [URL]

Sends one question to a running server three times per strategy: by curl, by the official Python client, and streamed.
program_aided needs a server with --code-exec.
"""

import json
import shlex
import subprocess
import sys

import openai

DEFAULT_URL = "http://127.0.0.1:8000"
QUESTION = "What is 13 + 29?"
MESSAGES: list[dict[str, str]] = [{"role": "user", "content": QUESTION}]
MAX_TOKENS = 120
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
    "program_aided": {"n": 3},
    "auto": {"n": 8},
}


def main(url: str) -> None:
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none")
    model = client.models.list().data[0].id
    print(f"# Transcript of each strategy: `{model}`, “{QUESTION}”")
    for name, options in STRATEGIES.items():
        strategy = {"name": name, **options}
        print(f"\n## {name}\n")
        print_curl(url, model, strategy)
        print_python(client, model, strategy)
        print_stream(client, model, strategy)


def print_curl(url: str, model: str, strategy: dict[str, object]) -> None:
    body = {"model": model, "strategy": strategy, "max_tokens": MAX_TOKENS, "messages": MESSAGES}
    endpoint, header = f"{url}/v1/chat/completions", "Content-Type: application/json"
    command = ["curl", "-s", endpoint, "-H", header, "-d", json.dumps(body)]
    response = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    print(f"```console\n$ {shlex.join(command)} | jq '.choices[0].message.content, .usage, .cogitate'")
    for value in (response["choices"][0]["message"]["content"], response["usage"], response["cogitate"]):
        print(json.dumps(value, ensure_ascii=False))
    print("```\n")


def print_python(client: openai.OpenAI, model: str, strategy: dict[str, object]) -> None:
    extra = {"strategy": strategy, "cache": "no-store"}
    answer = client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=MAX_TOKENS, extra_body=extra)
    call = f"client.chat.completions.create(model={model!r}, messages=..., max_tokens={MAX_TOKENS},"
    print(f"```python\n>>> answer = {call}")
    print(f"...                                         extra_body={extra!r})")
    print(f">>> answer.choices[0].message.content\n{answer.choices[0].message.content!r}")
    print(f">>> answer.cogitate\n{answer.cogitate!r}\n```\n")


def print_stream(client: openai.OpenAI, model: str, strategy: dict[str, object]) -> None:
    stream = client.chat.completions.create(
        model=model,
        messages=MESSAGES,
        max_tokens=MAX_TOKENS,
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"strategy": strategy, "cache": "no-store"},
    )
    chunks = list(stream)
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    print(f"Streamed: {len(chunks)} chunks, {len(texts)} with text; finish_reason ", end="")
    print(f"`{chunks[-2].choices[0].finish_reason}`, completion tokens {chunks[-1].usage.completion_tokens}:")
    print(f"\n```text\n{''.join(texts)}\n```")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else DEFAULT_URL)
