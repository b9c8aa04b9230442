"""Builds a frozen `Plan` from a parsed request. Pure: no I/O, no engine."""
