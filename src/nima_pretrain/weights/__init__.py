"""Weights files: storing, description by side-cars, publication, download and verification."""
