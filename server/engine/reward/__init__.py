"""Reward models, each in a vLLM engine of its own, next to the engine that decodes.

formats.py    one record per model family: its prompt, and how a score is read from its logits; without vLLM
tokenize.py   question and steps -> token ids and score positions; without vLLM
engine.py     arguments -> a running engine and its tokenizer
run.py        requests on that engine, and its end
model.py      the Verifier port: scores solutions on that engine
generative.py the same for a model that writes a rationale and its verdict
skywork.py    Skywork-o1-Open-PRM as a vLLM model class
"""
