"""The paper's experiments on other photos and ratings, as one command."""
