"""Three limits of a search: a deadline, a number of tokens, and "answer now" after the first candidate.

python deadline.py [URL]
"""

import sys
import uuid

import openai

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
QUESTION = [{"role": "user", "content": "How many primes are below 100?"}]
SEARCH = {"strategy": {"name": "self_consistency", "n": 64, "stop_rule": "none"}, "cache": "no-store"}

client = openai.OpenAI(base_url=f"{URL}/v1", api_key="none")
model = client.models.list().data[0].id


def describe(found: dict) -> str:
    return f"stopped: {found['stopped']}, {found['candidates']} candidates: {found['answer']}"


for budget in ({"seconds": 0.5}, {"tokens": 200}):
    answer = client.chat.completions.create(model=model, messages=QUESTION, extra_body={**SEARCH, "budget": budget})
    print(describe(answer.cogitate), f"for {answer.usage.completion_tokens} tokens")

request_id = uuid.uuid4().hex
stream = client.chat.completions.create(
    model=model,
    messages=QUESTION,
    stream=True,
    stream_options={"include_progress": True},
    extra_body=SEARCH,
    extra_headers={"X-Request-Id": request_id},
)
asked = False
for chunk in stream:
    progress = (chunk.model_extra or {}).get("cogitate", {})
    if progress.get("event") == "sampled" and not asked:
        client.post(f"/requests/{request_id}/answer", cast_to=object)  # whoever waits gets the best so far
        asked = True
    if "candidates" in progress:
        print(describe(progress))
