"""Reasoning text: its tags, its length, and leaving it early."""
