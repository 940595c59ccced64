"""Files as people have them, broken ones included: the input that a scorer has to survive."""

import io
import os
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image, ImageCms

NAMES = (
    "a.b.c.jpg",
    "two words.png",
    "two\nlines.png",
    "carriage\rreturn.png",
    "tab\there.jpg",
    '"quoted", with comma.jpg',
    "日本語.jpg",
    "\U0001f305 sunrise.jpg",
    "cafe\u0301 and caf\u00e9.jpg",
    "\u202etfel ot thgir.jpg",
    "-rf.jpg",
    "<script>alert(1)<.png",
    "&amp; %41 #hash ? a=b.jpg",
    "'; drop table photos; --.jpg",
    "=cmd().jpg",
    ".hidden.jpg",
    "UPPER.JPG",
    "MiXed.JpEg",
    "n" * 240 + ".jpg",
    os.fsdecode(b"caf\xe9.jpg"),
)


def write_hostile_files(folder: Path, photo: np.ndarray) -> tuple[set[Path], dict[Path, str]]:
    """Fills a folder; returns the files that have to be scored and, with a word of the reason,
    those that cannot be."""
    pillow_heif.register_heif_opener()
    folder.mkdir(parents=True)
    image = Image.fromarray(photo)
    image.thumbnail((160, 160))
    good: set[Path] = set()

    def add(name: str, made: Image.Image, **options: object) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        made.save(folder / name, **options)  # type: ignore[arg-type]
        good.add(folder / name)

    for name in NAMES:
        add(name, image, format="PNG" if name.endswith("png") else "JPEG")
    for suffix in ("webp", "bmp", "tiff", "avif", "heic", "gif"):
        add(f"format.{suffix}", image)
    more = [image.rotate(turn) for turn in (90, 180)]
    for suffix in ("gif", "webp", "tiff", "mpo", "png"):
        add(f"frames.{suffix}", image, save_all=True, append_images=more)
    add("a png.jpg", image, format="PNG")
    add("/".join(["deep"] * 20) + "/photo.jpg", image)
    for mode in ("L", "1", "P", "LA", "RGBA"):
        add(f"mode {mode}.png", image.convert(mode))
    add("mode CMYK.jpg", image.convert("CMYK"))
    add("16 bit.png", Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257))
    add("16 bit.tif", Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257))
    clear = image.convert("RGBA")
    clear.paste((0, 0, 0, 0), (0, 0, 20, 20))
    add("see-through.gif", clear)
    add("progressive.jpg", image, progressive=True)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        add(f"exif {orientation}.jpg", image, exif=exif)
    add("broken exif.jpg", image, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\xff" + b"\xff" * 40)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    add("profile.jpg", image, icc_profile=srgb)
    add("broken profile.jpg", image, icc_profile=srgb[:100])
    add("1 x 1.png", image.resize((1, 1)))
    add("1 x 3000.png", image.resize((1, 3000)))
    add("3000 x 1.jpg", image.resize((3000, 1)))
    add("200 megapixels.jpg", Image.new("L", (14_200, 14_100), 90), quality=30)
    add("folder.jpg/photo.png", image)
    (folder / "link.jpg").symlink_to(folder / "a.b.c.jpg")
    good.add(folder / "link.jpg")
    (folder / "circle").symlink_to(folder)
    (folder / "notes.txt").write_text("This is no photo, and nobody said so.")

    def encoded(kind: str) -> bytes:
        buffer = io.BytesIO()
        Image.effect_noise((200, 200), 90).convert("RGB").save(buffer, kind)
        return buffer.getvalue()

    bomb = io.BytesIO()
    Image.new("1", (20_000, 13_000)).save(bomb, "PNG")
    contents = {
        "empty.jpg": (b"", "empty"),
        "text.jpg": (b"This is not a photo.", "cannot identify"),
        "page.png": (b"<!doctype html><title>404</title>", "cannot identify"),
        "drawing.png": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "cannot identify"),
        "program.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "cannot identify"),
        "random.heic": (bytes(range(256)) * 4, "cannot identify"),
        "head alone.heic": (b"\0\0\0\x18ftypheic" + b"\0" * 40, ""),
        "truncated.jpg": (encoded("JPEG")[:2000], "truncated"),
        "truncated.png": (encoded("PNG")[:2000], "truncated"),
        "truncated.webp": (encoded("WEBP")[:500], ""),
        "truncated.tif": (encoded("TIFF")[:500], ""),
        "bomb.png": (bomb.getvalue(), "more than the 250,000,000 allowed"),
    }
    bad: dict[Path, str] = {}
    for name, (content, word) in contents.items():
        (folder / name).write_bytes(content)
        bad[folder / name] = word
    Image.fromarray(np.ones((4, 4), np.float32)).save(folder / "float.tif")
    bad[folder / "float.tif"] = "floating-point"
    (folder / "gone.jpg").symlink_to(folder / "nowhere.jpg")
    bad[folder / "gone.jpg"] = "No such file"
    (folder / "itself.jpg").symlink_to(folder / "itself.jpg")
    bad[folder / "itself.jpg"] = "symbolic links"
    os.mkfifo(folder / "pipe.jpg")
    bad[folder / "pipe.jpg"] = "not a regular file"
    return good, bad
