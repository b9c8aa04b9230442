"""Reasoning text: its tags, and leaving it early."""
