"""A person's head: the general model's last layer, tilted towards the stars that a person gave.

The general model gives bin k of a photo the probability softmax(l)_k. The person's model gives it

    p_k(t) = softmax(l + t x)_k,    t = a + b u + d . z

x_k are the stars of the bins. The tilt t has an offset a; a change b of the spread of the general
scores, by the slope u of the logits l over x, so that b = 1 doubles it; and a taste d in features
z. Logits are linear in the features, so is t, and the result is one dense layer again: every tilt
is a multiple of x added to the columns of the kernel.

The mean score rises with t, and its derivative is the variance of the stars: t is the natural
parameter of a generalized linear model with the general model as offset (McCullagh and Nelder 1989,
chapter 2). The log likelihood is concave. Gaussian priors are centred on the general model, so
without stars there is no tilt.
"""

from typing import NamedTuple

import numpy as np

# Standard deviations of the priors. Any offset will do; the spread is about the general model's.
_OFFSET_DEVIATION = 3.0
_SPREAD_DEVIATION = 0.5
# Of the tilts by taste; a tilt of 1 moves a score by about a star. benchmarks/taste.py --choose
# chose it by 100 people. Choosing it for each person by cross-validation was worse.
TASTE_DEVIATION = 0.4
# Principal components of the features. Up to this number of photos none is lost; of more photos,
# the others have little variance.
_MOST_COMPONENTS = 128
_MOST_STEPS = 100
_LARGEST_MOVE = 1.0  # of a tilt, in one step
_TOLERANCE = 1e-9


class Head(NamedTuple):
    """The last layer of a NIMA model, in float64.

    Attributes:
        kernel: (F, n).
        bias: (n,).
        stars: (n,), the stars that the bins stand for, evenly spaced, rising.
    """

    kernel: np.ndarray
    bias: np.ndarray
    stars: np.ndarray

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Returns the logits of photos, (N, n) float64, from features (N, F)."""
        return np.asarray(features, np.float64) @ self.kernel + self.bias

    def means(self, features: np.ndarray) -> np.ndarray:
        """Returns the mean scores of photos, (N,) float64, in stars, from features (N, F)."""
        return tilted_means(self.logits(features), np.zeros(len(features)), self.stars)


class Design(NamedTuple):
    """Everything that the tilts of rated photos depend on.

    Attributes:
        logits: (N, n) float64, of the general model.
        stars: (n,) float64, the stars of the bins.
        centre: (F,) float64, the mean of the features.
        components: (F, C) float64, from centred features to principal components, whose squares
            add up to 1 on average: their prior's deviation is that of the tilts it expects.
        columns: (N, 2 + C) float64, see `columns_of`.
    """

    logits: np.ndarray
    stars: np.ndarray
    centre: np.ndarray
    components: np.ndarray
    columns: np.ndarray

    def means(self, parameters: np.ndarray) -> np.ndarray:
        """Returns the mean scores of the photos, (.., N), in stars, by parameters (.., 2 + C)."""
        return tilted_means(self.logits, parameters @ self.columns.T, self.stars)

    def means_of(
        self, features: np.ndarray, logits: np.ndarray, parameters: np.ndarray
    ) -> np.ndarray:
        """Returns the mean scores of other photos, (M,), in stars.

        Args:
            features: (M, F) floats.
            logits: (M, n) floats, of the general model.
            parameters: (2 + C,) floats.
        """
        columns = columns_of(features - self.centre, logits, self.stars, self.components)
        return tilted_means(logits, columns @ parameters, self.stars)


def design_of(features: np.ndarray, logits: np.ndarray, stars: np.ndarray) -> Design:
    """Returns what the tilts of photos depend on.

    Args:
        features: (N, F) floats.
        logits: (N, n) floats, of the general model.
        stars: (n,) floats, the stars of the bins.
    """
    features = np.asarray(features, np.float64)
    centre = features.mean(axis=0)
    _, singular, right = np.linalg.svd(features - centre, full_matrices=False)
    count = min(len(features) - 1, _MOST_COMPONENTS)
    size = np.sqrt(np.sum(singular[:count] ** 2) / len(features))
    components = right[:count].T / max(size, 1e-12)
    columns = columns_of(features - centre, logits, stars, components)
    return Design(logits, stars, centre, components, columns)


def columns_of(
    centred: np.ndarray, logits: np.ndarray, stars: np.ndarray, components: np.ndarray
) -> np.ndarray:
    """Returns ones, the slopes u and the principal components of photos, (N, 2 + C) float64."""
    slopes = logits @ _slope_weights(stars)
    return np.column_stack([np.ones(len(logits)), slopes, centred @ components])


def fit_tilt(
    design: Design,
    given: np.ndarray,
    deviation: float = TASTE_DEVIATION,
    is_used: np.ndarray | None = None,
) -> np.ndarray:
    """Returns the most probable parameters a, b, d, (.., 2 + C) float64, by Newton's method.

    Args:
        design: of N photos.
        given: (N,) floats, the stars that the person gave.
        deviation: standard deviation of the tilts by taste, a priori. With 0 there is no taste: a
            and b adapt the general model to a person's use of stars.
        is_used: (.., N) bools, the photos of each of several fits; None for one fit on all.
    """
    used = np.ones(len(given)) if is_used is None else is_used.astype(np.float64)
    columns = design.columns if deviation else design.columns[:, :2]
    of_taste = [deviation] * (columns.shape[1] - 2)
    precision = np.diag(np.array([_OFFSET_DEVIATION, _SPREAD_DEVIATION, *of_taste]) ** -2.0)
    parameters = np.zeros((*used.shape[:-1], columns.shape[1]))
    for _ in range(_MOST_STEPS):
        means, variances = _moments(design.logits, parameters @ columns.T, design.stars)
        gradient = (used * (means - given)) @ columns + parameters @ precision
        # (.., C, N) @ (N, C)
        hessian = (columns.T * (used * variances)[..., None, :]) @ columns + precision
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        # Far from the solution, where variances are small, a full step would overshoot.
        moved = np.abs(step @ columns.T).max(axis=-1, keepdims=True)
        parameters = parameters - step / np.maximum(1, moved / _LARGEST_MOVE)
        if moved.max() < _TOLERANCE:
            break
    absent = design.columns.shape[1] - columns.shape[1]
    return np.concatenate([parameters, np.zeros((*used.shape[:-1], absent))], axis=-1)


def tilted_head(head: Head, design: Design, parameters: np.ndarray) -> Head:
    """Returns the person's head.

    Args:
        head: the general model's.
        design: from features and logits of that head.
        parameters: (2 + C,) floats, from `fit_tilt`.
    """
    offset, spread, taste = parameters[0], parameters[1], design.components @ parameters[2:]
    weights = _slope_weights(head.stars)
    by_feature = spread * head.kernel @ weights + taste  # (F,)
    constant = offset + spread * head.bias @ weights - design.centre @ taste
    # A value shared by all bins cancels in the softmax; centred, the layer's values stay small.
    stars = head.stars - head.stars.mean()
    kernel = head.kernel + np.outer(by_feature, stars)
    return Head(kernel, head.bias + constant * stars, head.stars)


def tilted_means(logits: np.ndarray, tilts: np.ndarray, stars: np.ndarray) -> np.ndarray:
    """Returns mean scores, (.., N) float64, in stars.

    Args:
        logits: (N, n) floats.
        tilts: (.., N) floats.
        stars: (n,) floats, the stars of the bins.
    """
    return _moments(logits, tilts, stars)[0]


def _moments(
    logits: np.ndarray, tilts: np.ndarray, stars: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns means and variances of tilted distributions, (.., N) each."""
    exponents = logits + tilts[..., None] * stars  # (.., N, n)
    shares = np.exp(exponents - exponents.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    means = shares @ stars
    return means, shares @ stars**2 - means**2


def _slope_weights(stars: np.ndarray) -> np.ndarray:
    """Returns the weights of logits that give their least-squares slope over the stars, (n,)."""
    centred = stars - stars.mean()
    return centred / np.sum(centred**2)
