"""Strategies on `vllm serve`: an endpoint plugin of vLLM's.

endpoint_plugin.py  vLLM's two hooks: attach the routes, then build the service
pass_on.py          a body without a strategy goes to vLLM's own route, byte for byte
selection.py        whether a body selects a strategy
settings.py         the settings that hold here: COGITATE_* without those of the launcher
"""
