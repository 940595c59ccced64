"""Self-supervised pretraining, fine-tuning and scoring for image aesthetics."""

__version__ = "0.1.0"
