"""Weights on their way to other people: published, listed, downloaded, verified."""
