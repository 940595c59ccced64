"""Shadows and highlights as darktable adjusts them: in regions that a blur selects.

Images are (H, W) float32. `l` is the lightness and `inverted` its inverted blur, both 0 to 1;
`chroma` is the gain of Lab's a and b, by which colours follow their lightness.
"""

from functools import lru_cache

import numpy as np


@lru_cache(maxsize=16)
def blur_matrix(num_pixels: int, sigma_pixels: float) -> np.ndarray:
    """Returns the (n, n) float32 matrix that blurs n samples, border values repeated.

    The kernel is h(d) = K (1 + al |d|) z^|d| with al = 1.695 / sigma and z = exp(-al), which
    darktable runs as a recursive filter. Weights beyond a border are added to the border column.
    """
    al = 1.695 / sigma_pixels
    z = np.exp(-al)
    K = (1 - z) ** 2 / (1 + 2 * al * z - z**2)

    def tail(q: np.ndarray) -> np.ndarray:
        """Returns the sum of h(d) over all integers d >= q."""
        return K * (z**q / (1 - z) + al * (q * z**q / (1 - z) + z ** (q + 1) / (1 - z) ** 2))

    i = np.arange(num_pixels)
    distance = np.abs(i[:, None] - i)
    matrix = K * (1 + al * distance) * z**distance
    matrix[:, 0] += tail(i + 1)
    matrix[:, -1] += tail(num_pixels - i)
    return matrix.astype(np.float32)


def inverted_blur(lightness: np.ndarray, sigma: float) -> np.ndarray:
    """Returns 1 - blur(lightness) / 100, (H, W): near 1 in dark regions, near 0 in bright ones."""
    rows, columns = (blur_matrix(side, sigma) for side in lightness.shape)
    return 1 - rows @ lightness @ columns.T / 100


def adjust_bright(
    l: np.ndarray, inverted: np.ndarray, highlights: float
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the lightness, 0 to 1, after the passes of highlights, and the gain of chroma."""
    chroma = np.ones_like(l)
    bright = np.clip(1 - 2 * inverted, 0, 1)
    for o in _pass_weights(highlights, bright):
        before, l = l, _overlay(l, o, inverted, direction=-1 if highlights > 0 else 1)
        ratio = (l / _guard(before) + (1 - l) / _guard(1 - before)) / 2
        chroma = chroma * (1 - o + o * ratio)
    return l, chroma


def adjust_dark(
    l: np.ndarray, chroma: np.ndarray, inverted: np.ndarray, shadows: float
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the lightness, 0 to 1, after the passes of shadows, and the gain of chroma."""
    dark = np.clip(2 * inverted - 1, 0, 1)
    for o in _pass_weights(shadows, dark):
        before, l = l, _overlay(l, o, inverted, direction=1 if shadows >= 0 else -1)
        ratio = l / _guard(before) if shadows >= 0 else (1 - l) / _guard(1 - before)
        chroma = chroma * (1 - o + o * ratio)
    return l, chroma


def _pass_weights(percent: float, region: np.ndarray) -> list[np.ndarray]:
    """Returns the mixing weights of the passes: a strength s = percent / 50 gives s^2 passes."""
    strength = (2 * percent / 100) ** 2
    return [min(strength - k, 1.0) * region for k in range(4) if strength > k]


def _overlay(l: np.ndarray, o: np.ndarray, inverted: np.ndarray, direction: int) -> np.ndarray:
    """Returns the lightness, 0 to 1, after one overlay of the inverted base at mixing weight o."""
    y = 0.5 + (inverted - 0.5) * direction * _sign(1 - l)
    overlaid = np.where(l <= 0.5, 2 * l * y, 1 - 2 * (1 - l) * (1 - y))
    return (1 - o) * l + o * overlaid


def _sign(x: np.ndarray) -> np.ndarray:
    return np.where(x < 0, np.float32(-1), np.float32(1))


def _guard(x: np.ndarray) -> np.ndarray:
    """Returns x kept at least 1e-6 away from zero, with its sign, as a denominator."""
    return _sign(x) * np.maximum(np.abs(x), np.float32(1e-6))
