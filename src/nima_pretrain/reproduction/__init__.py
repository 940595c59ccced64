"""The paper's experiments on anybody's photos and ratings, as one command."""
