"""The largest photo that is decoded: a small file may claim any number of pixels."""

from pathlib import Path

from nima_pretrain.errors import PhotoError

MAX_PIXELS = 250_000_000


def check_pixels(path: Path, width: int, height: int, max_pixels: int = MAX_PIXELS) -> None:
    """Checks the size that a file's header states.

    Raises:
        PhotoError: it has more than `max_pixels` pixels.
    """
    if width * height > max_pixels:
        raise PhotoError(
            path,
            f"{width} x {height} pixels are more than the {max_pixels:,} allowed; raise "
            "--max-pixels if it is a photo all the same",
        )
