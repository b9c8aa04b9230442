"""Inference-time reasoning strategies (`cogitate.strategies`) and their server on vLLM (`cogitate.server`)."""
