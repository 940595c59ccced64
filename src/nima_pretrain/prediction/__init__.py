"""Scores for everybody: rows in files, pages to look at, words for what is seen."""
