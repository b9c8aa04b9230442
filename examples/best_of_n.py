"""Best of n programs, by tests that the server runs in its sandbox: `cogitate serve ... --code-exec bwrap`.

python best_of_n.py [URL]
"""

import sys

import openai

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
TESTS = ["assert is_leap(2024)", "assert not is_leap(2023)", "assert not is_leap(1900)", "assert is_leap(2000)"]

client = openai.OpenAI(base_url=f"{URL}/v1", api_key="none")
answer = client.chat.completions.create(
    model=client.models.list().data[0].id,
    messages=[{"role": "user", "content": "Write a Python function is_leap(year). Reply with one code block."}],
    extra_body={
        "strategy": {
            "name": "best_of_n",
            "n": 4,
            "verifier": "unit_tests",
            "tests": TESTS,
            "return_candidates": True,
        }
    },
)
for sample in answer.cogitate["samples"]:
    print(f"{sample['score']:.2f} of the tests passed{', chosen' if sample['chosen'] else ''}")
print(answer.choices[0].message.content)
