"""Votes: ballots, weights, and the rules by which a vote stops early."""
