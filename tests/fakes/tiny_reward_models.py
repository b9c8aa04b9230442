"""Reward models of one megabyte with random weights, whose scores differ for any two texts, for vLLM to serve.

`python -m tests.fakes.tiny_reward_models FOLDER` builds one of Qwen2.5-Math-PRM's architecture.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import nn
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2Model

CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<extra_0>"]
CHATML = """{%- for message in messages -%}
<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% endif -%}"""
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"
CORPUS = [
    "system\nPlease reason step by step, and put your final answer within \\boxed{}.",
    "user\nSue has 18 pink flamingos and 6 white ones. How many more pink ones are there?",
    "assistant\nFirst we subtract: 18 - 6 = 12.\n\nSo the answer is \\boxed{12}.\n\n",
    "Step 1: We subtract. ки\nStep 2: We add. ки\nStep 3: We stop. ки ки ки\n",
]


@dataclass(frozen=True, slots=True)
class Kind:
    """A model family: its architecture in vLLM, and its head on the backbone."""

    architecture: str
    head: Callable[[Qwen2Config], nn.Module]
    name: str = "score."
    """Prefix of the head's tensor names."""


def perceptron(config: Qwen2Config) -> nn.Module:
    size = config.hidden_size
    return nn.Sequential(nn.Linear(size, size), nn.ReLU(), nn.Linear(size, config.num_labels))


def preference(config: Qwen2Config) -> nn.Module:
    return nn.Linear(config.hidden_size, config.num_labels, bias=False)


def value(config: Qwen2Config) -> nn.Module:
    return nn.Linear(config.hidden_size, 1)


def vocabulary(config: Qwen2Config) -> nn.Module:
    return nn.Linear(config.hidden_size, config.vocab_size, bias=False)


QWEN = Kind("Qwen2ForProcessRewardModel", perceptron)
QWEN_RM = Kind("Qwen2ForRewardModel", perceptron)
SKYWORK = Kind("Qwen2ForPrmModel", value, "v_head.summary.")
OUTCOME = Kind("Qwen2ForSequenceClassification", preference)
VERDICTS = Kind("Qwen2ForCausalLM", vocabulary, "lm_head.")
"""Its verdicts are tokens, as those of RLHFlow's and Math-Shepherd's models."""


def build(folder: Path, *, length: int = 1024, kind: Kind = QWEN, words: Sequence[str] = ()) -> Path:
    """Write a model folder and return it. `length`: context length in tokens; `words`: added to the vocabulary."""
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(list(words))
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=length,
        tie_word_embeddings=False,
        num_labels=2 if kind is QWEN else 1,
        pad_token_id=tokenizer.pad_token_id,
        architectures=[kind.architecture],
        dtype="float32",
    )
    config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    backbone, head = tiny_weights(config, kind)
    tensors = {f"model.{name}": tensor for name, tensor in backbone.state_dict().items()}
    tensors |= {f"{kind.name}{name}": tensor for name, tensor in head.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer, as Qwen's, on a few lines."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=380, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens(CONTROL)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<|endoftext|>", eos_token="<|im_end|>", chat_template=CHATML
    )


def tiny_weights(config: Qwen2Config, kind: Kind) -> tuple[Qwen2Model, nn.Module]:
    """Return weights from a fixed seed, large enough that scores spread over [0, 1]."""
    backbone, head = build_modules(config, kind)
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in [*backbone.named_parameters(), *head.named_parameters()]:
            if "norm" not in name:
                parameter.normal_(std=0.15, generator=random)
    return backbone, head


def load(folder: Path, kind: Kind = QWEN) -> tuple[Qwen2Model, nn.Module]:
    """Load a folder's weights in plain torch: the backbone, and the head on its last hidden states."""
    backbone, head = build_modules(Qwen2Config.from_pretrained(folder), kind)
    tensors = load_file(folder / "model.safetensors")
    for module, prefix in (backbone, "model."), (head, kind.name):
        module.load_state_dict({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
    return backbone, head


def build_modules(config: Qwen2Config, kind: Kind) -> tuple[Qwen2Model, nn.Module]:
    return Qwen2Model(config).float().eval(), kind.head(config).float().eval()


if __name__ == "__main__":
    print(build(Path(sys.argv[1])))
