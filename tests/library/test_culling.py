"""Photos as the culling page's server sends them."""

import io

from PIL import Image

from nima_pretrain.library.culling import as_jpeg


def test_a_photo_that_is_too_wide_for_jpeg_is_scaled_down(tmp_path):
    scan = tmp_path / "scan.tiff"
    Image.new("RGB", (66_000, 40), "teal").save(scan)
    with Image.open(io.BytesIO(as_jpeg(scan))) as sent:
        assert sent.size == (65_500, 40)
