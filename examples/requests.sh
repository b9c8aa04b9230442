#!/usr/bin/env bash
# The API by curl alone: requests.sh [URL]
set -euo pipefail
url=${1:-http://127.0.0.1:8000}

ask() { curl --silent --show-error --fail-with-body "$@"; }
model=$(ask "$url/v1/models" | sed 's/.*"data":\[{"id":"\([^"]*\)".*/\1/')

echo "== the strategies"
ask "$url/v1/strategies" | grep -o '"name":"[a-z_]*"' | sort -u

echo "== a strategy by the model's name"
ask "$url/v1/chat/completions" -H 'Content-Type: application/json' -d '{
  "model": "'"$model"'@self_consistency", "messages": [{"role": "user", "content": "What is 13 + 29?"}]}'

echo && echo "== options, a limit and a name for the request"
ask "$url/v1/chat/completions" -H 'Content-Type: application/json' -H 'X-Request-Id: example-1' -d '{
  "model": "'"$model"'", "messages": [{"role": "user", "content": "What is 13 + 29?"}],
  "strategy": {"name": "best_of_n", "n": 4, "verifier": "judge"}, "budget": {"seconds": 30}}'

echo && echo "== its trace, without texts"
ask "$url/v1/traces/example-1?text=false" | cut -c 1-300

echo && echo "== an error names the field"
curl --silent "$url/v1/chat/completions" -H 'Content-Type: application/json' -d '{
  "model": "'"$model"'", "messages": [{"role": "user", "content": "?"}], "strategy": {"name": "best_of_n", "n": 0}}'
echo
