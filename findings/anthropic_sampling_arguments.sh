#!/usr/bin/env bash
# The official Anthropic client's `messages.create` takes no `temperature`, `top_p` or `top_k`.
#
# Versions: anthropic 2.12.0, Python 3.11.
#
# Guess: the sampling parameters of the Messages API are arguments of `messages.create`, as in
#   versions 0.x, or are ignored where a model does not take them.
# Behaviour: each is a TypeError of the client before any request is sent, whatever server
#   `base_url` names. Only `extra_body` sends them.
# Consequence: code that sets a temperature for a self-hosted model behind this API breaks with
#   an update of the client.
#
# Output seen:
#   temperature=0: TypeError: unexpected keyword argument 'temperature'
#   top_p=1: TypeError: unexpected keyword argument 'top_p'
#   top_k=1: TypeError: unexpected keyword argument 'top_k'
#   extra_body={'temperature': 0}: the server received temperature 0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check anthropic==2.12.0
"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/output"
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import anthropic

received = []


class Handler(BaseHTTPRequestHandler):
    """Answers every message with one word, and records its body."""

    def do_POST(self):
        received.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "local", "stop_reason": "end_turn"}
        message |= {"content": [{"type": "text", "text": "Yes."}], "usage": {"input_tokens": 1, "output_tokens": 1}}
        body = json.dumps(message).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Write no log."""


server = HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = anthropic.Anthropic(base_url=f"http://127.0.0.1:{server.server_port}", api_key="none", max_retries=0)
request = {"model": "local", "max_tokens": 8, "messages": [{"role": "user", "content": "Ready?"}]}
for name, value in {"temperature": 0, "top_p": 1, "top_k": 1}.items():
    try:
        client.messages.create(**request, **{name: value})
        print(f"{name}={value}: sent")
    except TypeError as error:
        print(f"{name}={value}: TypeError: {str(error).partition(' got an ')[2]}")
client.messages.create(**request, extra_body={"temperature": 0})
print(f"extra_body={{'temperature': 0}}: the server received temperature {received[-1].get('temperature')}")
PYTHON
test "$(grep -c "TypeError: unexpected keyword argument" "$folder/output")" = 3
grep -q "the server received temperature 0" "$folder/output"
