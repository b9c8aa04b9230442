"""Voting: ballots, vote weights, and the rules that stop a vote early."""
