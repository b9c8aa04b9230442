"""An audio-language model of a few megabytes with random weights, for vLLM to serve: Qwen2-Audio's architecture.

`python -m tests.fakes.tiny_audio_model FOLDER` builds it.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    Qwen2AudioConfig,
    Qwen2AudioEncoderConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    Qwen2Config,
    WhisperFeatureExtractor,
)

from tests.fakes.tiny_reward_models import tiny_tokenizer

AUDIO = ["<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"]
TEMPLATE = """{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content -%}
{% if part.type == "text" %}{{ part.text }}{% else %}<|audio_bos|><|AUDIO|><|audio_eos|>{% endif %}
{%- endfor %}{% endif %}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% endif -%}"""


def build(folder: Path) -> Path:
    """Write a model folder and return it."""
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": AUDIO})
    tokenizer.chat_template = TEMPLATE
    text = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=2048,
    )
    audio = Qwen2AudioEncoderConfig(
        d_model=64, encoder_layers=2, encoder_attention_heads=1, encoder_ffn_dim=128, num_mel_bins=80
    )
    config = Qwen2AudioConfig(
        audio_config=audio, text_config=text, audio_token_index=tokenizer.convert_tokens_to_ids(AUDIO[0])
    )
    model, random = Qwen2AudioForConditionalGeneration(config), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" not in name:
                parameter.normal_(std=0.15, generator=random)  # large enough that sounds differ in their answers
    model.save_pretrained(folder)
    # transformers 5 writes a name that neither the published weights nor vLLM have.
    tensors = load_file(folder / "model.safetensors")
    named = {name.replace(".model.model.", ".model."): tensor for name, tensor in tensors.items()}
    save_file(named, folder / "model.safetensors", metadata={"format": "pt"})
    Qwen2AudioProcessor(WhisperFeatureExtractor(feature_size=80), tokenizer, chat_template=TEMPLATE).save_pretrained(
        folder
    )
    return folder


if __name__ == "__main__":
    build(Path(sys.argv[1]))
