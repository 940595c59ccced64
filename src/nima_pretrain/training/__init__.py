"""Training: the pretext tasks without labels, then NIMA on human ratings."""
