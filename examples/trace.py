"""The trace of a search, and its audit: the bill, the vote and the choice, recomputed from the record.

python trace.py [URL]
"""

import json
import subprocess
import sys
import tempfile

import httpx

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"

with httpx.Client(base_url=URL, timeout=300) as client:
    model = client.get("/v1/models").json()["data"][0]["id"]
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "What is 13 + 29?"}],
        "strategy": {"name": "best_of_n", "n": 4, "verifier": "judge"},
    }
    response = client.post("/v1/chat/completions", json=body).raise_for_status()
    trace = client.get(f"/v1/traces/{response.headers['X-Request-Id']}").raise_for_status().json()

for event in trace["events"]:
    if event["kind"] == "decode":
        print(f"{event['at']:6.2f} s  {event['role']} {event['index']} of {event['model']}: {event['tokens']} tokens")
    elif event["kind"] == "verdict":
        print(f"{event['at']:6.2f} s  verdict on {event['index']}: {event['score']:.2f}")
with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
    json.dump(trace, file)
    file.flush()
    sys.exit(subprocess.run(["cogitate", "audit", file.name], check=False).returncode)
