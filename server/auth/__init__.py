"""Authentication and authorisation data: API keys, the limits of each key, rate limits and per-tenant cache salts.

The check of each request against its key is in `http/authentication.py`.
"""
