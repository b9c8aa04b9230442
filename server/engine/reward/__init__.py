"""Reward models: prompt formats, tokenisation, and scoring over a pooling engine of vLLM."""
