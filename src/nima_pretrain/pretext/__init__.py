"""Pretext methods: what a network learns from photographs without labels."""
