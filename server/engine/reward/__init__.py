"""Reward models, each in a vLLM engine of its own, next to the engine that decodes.

formats.py    one record per model family: its prompt, and how a score is read from its logits; without vLLM
tokenize.py   question and steps -> token ids and score positions; without vLLM
engine.py     arguments -> a running engine and its tokenizer
model.py      the Verifier port: scores solutions on that engine
skywork.py    Skywork-o1-Open-PRM as a vLLM model class
"""
