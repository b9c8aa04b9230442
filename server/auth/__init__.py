"""Who is calling, and what they may do: API keys, their limits, and per-tenant secrets."""
