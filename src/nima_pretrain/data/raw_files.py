"""Recognition of RAW files by their content, and the extensions that folders are searched for."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

# Those of cameras of the last twenty years. Other files that LibRaw reads are named explicitly.
RAW_EXTENSIONS = frozenset(
    {
        ".arw",
        ".cr2",
        ".cr3",
        ".crw",
        ".dng",
        ".nef",
        ".nrw",
        ".orf",
        ".pef",
        ".raf",
        ".rw2",
        ".rwl",
        ".srw",
    }
)

_MAGIC = (
    b"FUJIFILMCCD-RAW",
    b"II\x1a\0\0\0HEAPCCDR",  # Canon's CRW
    b"IIRO",  # Olympus, as the next two
    b"IIRS",
    b"MMOR",
    b"IIU\0",  # Panasonic and Leica
    b"\0MRM",  # Minolta
    b"FOVb",  # Sigma
)

# At byte 8 of TIFF files: Canon's CR2, and Phase One's IIQ in either byte order.
_TIFF_MAGIC = (b"CR", b"IIII", b"MMMM")

# Marks of TIFF files and the byte order that follows, in the notation of `struct`.
_TIFF = {b"II*\0": "<", b"MM\0*": ">"}
_PHOTOMETRIC, _SUB_DIRECTORIES, _DNG_VERSION = 262, 330, 50706
_SENSOR_DATA = (32803, 34892)  # photometric interpretations: colour filter array, linear RAW
_INTEGERS = {3: "H", 4: "I", 13: "I"}  # field types: SHORT, LONG, IFD
_MOST_DIRECTORIES = 64


def is_raw(file: BinaryIO, suffix: str) -> bool:
    """Returns whether a file is a RAW file. It is left at its start.

    Many RAW files are TIFF files whose first image is a thumbnail, which TIFF readers take for the
    photo. They are told by sensor data in any of their directories, or by their extension.

    Args:
        file: the file.
        suffix: of its name, e.g. ".NEF".
    """
    file.seek(0)
    head = file.read(16)
    if head[:4] in _TIFF:
        is_marked = head[8:].startswith(_TIFF_MAGIC) or suffix.lower() in RAW_EXTENSIONS
        found = is_marked or _has_sensor_data(file, _TIFF[head[:4]])
    else:
        found = head.startswith(_MAGIC) or head[4:12] == b"ftypcrx "
    file.seek(0)
    return found


def _has_sensor_data(file: BinaryIO, order: str) -> bool:
    """Returns whether a TIFF file is a DNG, or has a directory that describes data of a sensor."""
    try:
        return any(
            tag == _DNG_VERSION or (tag == _PHOTOMETRIC and values[0] in _SENSOR_DATA)
            for tag, values in _fields(file, order)
        )
    except (struct.error, OSError):
        return False  # a broken file, which the TIFF reader reports


def _fields(file: BinaryIO, order: str) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yields (tag, values) of all directories of a TIFF file; (0,) for values that are not needed.

    Raises:
        struct.error: the file ends inside a directory.
    """

    def unpack(layout: str, content: bytes, start: int = 0) -> tuple[int, ...]:
        return struct.unpack_from(order + layout, content, start)

    def read(offset: int, length: int) -> bytes:
        file.seek(offset)
        return file.read(length)

    ahead = [*unpack("I", read(4, 4))]
    visited: set[int] = set()
    while ahead and len(visited) < _MOST_DIRECTORIES:
        offset = ahead.pop()
        if offset == 0 or offset in visited:
            continue
        visited.add(offset)
        (count,) = unpack("H", read(offset, 2))
        directory = read(offset + 2, 12 * count + 4)
        for start in range(0, 12 * count, 12):
            tag, kind, number = unpack("HHI", directory, start)
            values: tuple[int, ...] = (0,)
            if tag in (_PHOTOMETRIC, _SUB_DIRECTORIES) and kind in _INTEGERS and number:
                layout = f"{min(number, _MOST_DIRECTORIES)}{_INTEGERS[kind]}"
                content = directory[start + 8 : start + 12]
                if struct.calcsize(layout) > 4:  # the field holds the values' offset
                    content = read(unpack("I", content)[0], struct.calcsize(f"={layout}"))
                values = unpack(layout, content)
            yield tag, values
            if tag == _SUB_DIRECTORIES:
                ahead += values
        if len(directory) == 12 * count + 4:  # the last one may end with the file
            ahead += unpack("I", directory, 12 * count)
