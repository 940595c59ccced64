"""Pretext methods: self-supervised training on photos without labels."""
