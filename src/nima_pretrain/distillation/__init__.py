"""Knowledge distillation from object classifiers to a NIMA model; see `distill.py`."""
