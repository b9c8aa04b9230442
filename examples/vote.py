"""A vote with its progress: each candidate as it ends, the answer that leads, and what it cost.

pip install openai
python vote.py [URL]
"""

import sys

import openai

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"

client = openai.OpenAI(base_url=f"{URL}/v1", api_key="none")
model = client.models.list().data[0].id
stream = client.chat.completions.create(
    model=model,
    messages=[{"role": "user", "content": "What is 13 + 29?"}],
    temperature=0.7,
    stream=True,
    stream_options={"include_usage": True, "include_progress": True},
    extra_body={"strategy": {"name": "self_consistency", "n": 16}},
)
for chunk in stream:
    progress = (chunk.model_extra or {}).get("cogitate", {})
    match progress.get("event"):
        case "sampled":
            print(f"candidate {progress['index']}: {progress['tokens']} tokens, {progress['finish_reason']}")
        case "leading":
            print(f"leading: {progress['answer']}, agreement {progress['agreement']:.2f}")
    if "candidates" in progress:
        print(f"stopped: {progress['stopped']}, after {progress['candidates']} of at most 16 candidates")
    for choice in chunk.choices:
        print(choice.delta.content or "", end="")
    if chunk.usage:
        print(f"\n{chunk.usage.completion_tokens} tokens in all")
