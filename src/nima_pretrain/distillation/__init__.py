"""Knowledge of object classifiers, taught to a NIMA model; a reconstruction, see `distill.py`."""
