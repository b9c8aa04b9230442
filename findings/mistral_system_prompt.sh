#!/usr/bin/env bash
# Mistral's v2 and v3 formats move the system prompt to the last user message.
#
# Versions: mistral-common 1.13.1 with the tokenizer files it ships, sentencepiece 0.2.3,
#   Python 3.11.
#
# Guess: the system prompt opens the context, so each turn of a conversation extends the
#   tokens of the turn before and a prefix cache serves them.
# Behaviour: v1 puts the system prompt before the first user message, v7 in a section of
#   its own at the start. v2 and v3 put it before the *last* user message, so it moves at
#   every turn, and the second turn shares only the first 2 of the first turn's 10 tokens.
# Consequence: with models of these formats a prefix cache misses between turns, and one
#   system prompt shared by many requests is no shared prefix once they have a history.
#
# Output seen:
#   v1 reuses 15 of 15 tokens
#   <s> [INST] Be brief.<0x0A><0x0A>One? [/INST] Uno.</s> [INST] Two? [/INST]
#   v2 reuses 2 of 10 tokens
#   <s>[INST] One?[/INST] Uno.</s>[INST] Be brief.<0x0A><0x0A>Two?[/INST]
#   v3 reuses 2 of 10 tokens
#   <s>[INST] One?[/INST] Uno.</s>[INST] Be brief.<0x0A><0x0A>Two?[/INST]
#   v7 reuses 10 of 10 tokens
#   <s>[SYSTEM_PROMPT] Be brief.[/SYSTEM_PROMPT][INST] One?[/INST] Uno.</s>[INST] Two?[/INST]
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    "mistral-common==1.13.1" "sentencepiece==0.2.3"

expected=$(cat <<'TEXT'
v1 reuses 15 of 15 tokens
<s> [INST] Be brief.<0x0A><0x0A>One? [/INST] Uno.</s> [INST] Two? [/INST]
v2 reuses 2 of 10 tokens
<s>[INST] One?[/INST] Uno.</s>[INST] Be brief.<0x0A><0x0A>Two?[/INST]
v3 reuses 2 of 10 tokens
<s>[INST] One?[/INST] Uno.</s>[INST] Be brief.<0x0A><0x0A>Two?[/INST]
v7 reuses 10 of 10 tokens
<s>[SYSTEM_PROMPT] Be brief.[/SYSTEM_PROMPT][INST] One?[/INST] Uno.</s>[INST] Two?[/INST]
TEXT
)

actual=$("$folder/venv/bin/python" - <<'PYTHON'
from mistral_common.protocol.instruct.messages import (
    AssistantMessage,
    SystemMessage,
    UserMessage,
)
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

first_turn = [SystemMessage(content="Be brief."), UserMessage(content="One?")]
second_turn = [
    *first_turn,
    AssistantMessage(content="Uno."),
    UserMessage(content="Two?"),
]
for version in ("v1", "v2", "v3", "v7"):
    tokenizer = getattr(MistralTokenizer, version)()
    short, long = (
        tokenizer.encode_chat_completion(ChatCompletionRequest(messages=messages))
        for messages in (first_turn, second_turn)
    )
    shared = 0
    while shared < len(short.tokens) and short.tokens[shared] == long.tokens[shared]:
        shared += 1
    print(f"{version} reuses {shared} of {len(short.tokens)} tokens")
    print(long.text.replace("\u2581", " "))
PYTHON
)

printf 'expected:\n%s\n\nactual:\n%s\n' "$expected" "$actual"
if [ "$actual" != "$expected" ]; then
    echo 'changed: the behaviour is no longer the one in the header' >&2
    exit 1
fi
