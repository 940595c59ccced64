"""Weights in files: stored, described by a side-car, published, downloaded, verified."""
