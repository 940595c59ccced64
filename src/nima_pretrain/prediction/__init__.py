"""Prediction: scores of photos in files and HTML pages, with explanations in words."""
