"""Training: pretraining on photos without labels, then fine-tuning on human ratings."""
