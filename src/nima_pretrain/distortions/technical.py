"""Technical distortions: a wrapper of imagecorruptions and scikit-image.

imagecorruptions draws from NumPy's global generator, and its impulse noise from a new, unseeded
one. Here the generator is an argument, and the state of the global one is restored.
"""

import threading
import warnings
from functools import cache
from types import ModuleType

import numpy as np

# Fraction of the channel values that turn to 0 or 255, by severity 1..5 (ImageNet-C, Hendrycks
# and Dietterich 2019). The library defines it inside a function that cannot be seeded.
_IMPULSE_NOISE_AMOUNTS = (0.03, 0.06, 0.09, 0.17, 0.27)

_SMALLEST_SIDE = 32

# The global generator is seeded during a call, so only one thread may run it.
_global_generator = threading.Lock()


@cache
def _imagecorruptions() -> ModuleType:
    with warnings.catch_warnings():
        # It locates its frost images through pkg_resources, which setuptools has deprecated.
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        import imagecorruptions
    return imagecorruptions


def use_one_thread() -> None:
    """Limits OpenCV, with which imagecorruptions blurs, to one thread: for worker processes."""
    import cv2

    cv2.setNumThreads(1)


def corrupt(image: np.ndarray, name: str, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Returns the image with one of ImageNet-C's corruptions.

    Args:
        image: (H, W, 3) uint8 RGB, 0 to 255, both sides at least 32 pixels.
        name: a corruption of imagecorruptions, e.g. "defocus_blur".
        severity: 1 to 5; there is no neutral value.
        rng: generator for the random corruptions (motion blur, noise); the others ignore it.

    Raises:
        ValueError: the image is too small or not uint8 RGB, or the severity is out of range.
    """
    _check(image, name, severity)
    library = _imagecorruptions()
    with _global_generator:
        state = np.random.get_state()
        np.random.seed(rng.integers(2**32, dtype=np.uint32))
        try:
            return library.corrupt(image, severity=int(severity), corruption_name=name)
        finally:
            np.random.set_state(state)


def impulse_noise(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Returns the image with imagecorruptions' salt-and-pepper noise, but reproducible.

    Arguments and errors are those of `corrupt`.
    """
    from skimage.util import random_noise

    _check(image, "impulse_noise", severity)
    amount = _IMPULSE_NOISE_AMOUNTS[int(severity) - 1]
    noisy = random_noise(image / 255.0, mode="s&p", amount=amount, rng=rng)
    return (np.clip(noisy, 0, 1) * 255).astype(np.uint8)


def _check(image: np.ndarray, name: str, severity: int) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(
            f"{name} takes (H, W, 3) uint8 images, received {image.shape} {image.dtype}."
        )
    if min(image.shape[:2]) < _SMALLEST_SIDE:
        raise ValueError(
            f"{name} takes images of at least {_SMALLEST_SIDE} x {_SMALLEST_SIDE} pixels, "
            f"received {image.shape[1]} x {image.shape[0]}. Enlarge the image first."
        )
    if severity not in (1, 2, 3, 4, 5):
        raise ValueError(f"The severity of {name} is 1, 2, 3, 4 or 5, received {severity!r}.")
