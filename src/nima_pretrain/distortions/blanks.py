"""Pictures without content: flat areas, gradients, noise, stripes and checks.

No photograph should score below them. A network that saw only photographs gives them any score.
"""

import numpy as np


def blank_picture(size: int, rng: np.random.Generator) -> np.ndarray:
    """Returns a random picture without content, (size, size, 3) uint8 RGB.

    Args:
        size: side, pixels.
        rng: random generator of kind, colours and pattern.
    """
    first, second = rng.integers(0, 256, (2, 3)).astype(np.float64)
    if rng.random() < 0.3:  # grey
        first, second = np.full(3, first[0]), np.full(3, second[0])
    draw = _KINDS[rng.integers(len(_KINDS))]
    picture = draw(size, first, second, rng)
    return np.clip(np.broadcast_to(picture, (size, size, 3)), 0, 255).astype(np.uint8)


def _flat(size: int, first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.full(3, rng.choice([0, 128, 255])) if rng.random() < 0.3 else first


def _gradient(
    size: int, first: np.ndarray, second: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    angle, along = rng.uniform(0, 2 * np.pi), np.linspace(-1, 1, size)
    ramp = np.cos(angle) * along + np.sin(angle) * along[:, None]  # (S, S)
    return first + (second - first) * ((ramp - ramp.min()) / np.ptp(ramp))[..., None]


def _noise(
    size: int, first: np.ndarray, second: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    channels = int(rng.choice([1, 3]))
    if rng.random() < 0.5:
        return rng.uniform(0, 256, (size, size, channels))
    return first + rng.uniform(10, 80) * rng.normal(size=(size, size, channels))


def _stripes(
    size: int, first: np.ndarray, second: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    across = (np.arange(size) // rng.integers(2, 40)) % 2
    is_checked, is_turned = rng.random(2) < 0.5
    pattern = across ^ across[:, None] if is_checked else np.broadcast_to(across, (size, size))
    pattern = pattern.T if is_turned else pattern
    return first + (second - first) * pattern[..., None]


_KINDS = (_flat, _gradient, _noise, _stripes)
