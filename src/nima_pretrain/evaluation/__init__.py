"""Evaluation: agreement with human ratings, comparisons, studies of distortions, data checks."""
