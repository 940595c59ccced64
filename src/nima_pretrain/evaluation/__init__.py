"""How good a model is: agreement with human ratings, comparisons, studies, data checks."""
