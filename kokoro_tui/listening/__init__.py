"""Blind listening tests: which trial comes when, what it says about the listener, and what many of them add up to."""
