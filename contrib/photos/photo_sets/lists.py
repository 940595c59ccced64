"""Lists of photos: from the JSON of pexels' and Unsplash's APIs, from CSV and from addresses."""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from nima_pretrain.data.file_lists import MOST_BYTES
from nima_pretrain.errors import InputError
from nima_pretrain.files import read_text, replacing

Size = Literal["original", "large"]

PEXELS_LICENSE = "Pexels License, https://www.pexels.com/license/"
UNSPLASH_LICENSE = "Unsplash License, https://unsplash.com/license"
UNKNOWN_LICENSE = "unknown"

# The keys of the addresses in a photo object of each API, original and about a thousand pixels.
_PEXELS_SIZES: dict[Size, str] = {"original": "original", "large": "large2x"}
_UNSPLASH_SIZES: dict[Size, str] = {"original": "raw", "large": "regular"}

# https://www.pexels.com/photo/white-and-black-cat-156934/
_PEXELS_PAGE = re.compile(
    r"https?://(?:www\.)?pexels\.com/(?:[a-z]{2}-[a-z]{2}/)?photo/(?:.*-)?(\d+)/?"
)


class ListedPhoto(NamedTuple):
    """One photo of a list.

    Attributes:
        id: name of the photo in its collection, e.g. "pexels-156934"; unique in a list.
        url: address of the image file.
        page: address of the photo's page.
        author: name of the photographer.
        author_page: address of the photographer's page.
        license: name and address of the licence.
    """

    id: str
    url: str
    page: str = ""
    author: str = ""
    author_page: str = ""
    license: str = UNKNOWN_LICENSE


def read_source(
    file: Path, size: Size = "original", license: str | None = None
) -> list[ListedPhoto]:
    """Returns the photos named in a file of any known kind, recognized by its content.

    Kinds: answers of pexels' API (`/v1/curated`, `/v1/search`, `/v1/photos/ID`) and of Unsplash's
    (`/photos`, `/search/photos`, `/photos/ID`), also several, one a line; CSV with a column `url`
    and any other attributes; and addresses, one a line. An address of a page of pexels.com stands
    for its photo.

    Args:
        file: the file.
        size: "original" for the files as uploaded; "large" for those of about a thousand pixels
            that the APIs offer.
        license: licence of photos whose source does not state one.

    Raises:
        InputError: the file cannot be read, or an entry is no photo.
    """
    text = read_text(file, "photo list", MOST_BYTES)
    if text.lstrip()[:1] in ("{", "["):
        entries: Iterable[Any] = _photo_objects(_json_values(text, file))
        photos = [_of_object(entry, size, file) for entry in entries]
    elif "url" in text.partition("\n")[0].strip().split(","):
        photos = [_of_row(row, file) for row in csv.DictReader(io.StringIO(text, newline=""))]
    else:
        lines = (line.strip() for line in text.split("\n"))
        photos = [_of_address(line, file) for line in lines if line and not line.startswith("#")]
    if not photos:
        raise InputError(f"Expected photos in {file}, but it names none.")
    if license is not None:
        photos = [
            photo._replace(license=license) if photo.license == UNKNOWN_LICENSE else photo
            for photo in photos
        ]
    return photos


def without_repetitions(photos: Iterable[ListedPhoto]) -> list[ListedPhoto]:
    """Returns the photos whose id and address no photo before them has."""
    ids, urls, kept = set[str](), set[str](), []
    for photo in photos:
        if photo.id not in ids and photo.url not in urls:
            kept.append(photo)
        ids.add(photo.id)
        urls.add(photo.url)
    return kept


def write_list(file: Path, photos: Iterable[ListedPhoto]) -> None:
    """Writes a list as CSV, one column per attribute.

    Raises:
        InputError: the file cannot be written.
    """
    with replacing(file) as partial, partial.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(ListedPhoto._fields)
        writer.writerows(photos)


def read_list(file: Path) -> list[ListedPhoto]:
    """Returns a list that `write_list` wrote.

    Raises:
        InputError: the file is another one.
    """
    rows = csv.DictReader(io.StringIO(read_text(file, "photo list", MOST_BYTES), newline=""))
    if rows.fieldnames is None or tuple(rows.fieldnames) != ListedPhoto._fields:
        raise InputError(
            f"Expected a list with the columns {', '.join(ListedPhoto._fields)}, which the command "
            f"`list` writes, received {file}."
        )
    return [_of_row(row, file) for row in rows]


def _json_values(text: str, file: Path) -> list[Any]:
    """Returns the one value of a JSON file, or those of its lines."""
    try:
        return [json.loads(text)]
    except ValueError as whole:
        try:
            return [json.loads(line) for line in text.split("\n") if line.strip()]
        except ValueError:
            raise InputError(f"The photo list {file} is not JSON: {whole}.") from None


def _photo_objects(values: Iterable[Any]) -> Iterator[Any]:
    """Yields the photo objects in answers of an API: lists, pages of results, single photos."""
    for value in values:
        if isinstance(value, list):
            yield from value
        elif isinstance(value, dict) and isinstance(value.get("photos"), list):
            yield from value["photos"]
        elif isinstance(value, dict) and isinstance(value.get("results"), list):
            yield from value["results"]
        else:
            yield value


def _of_object(entry: Any, size: Size, file: Path) -> ListedPhoto:
    try:
        if "src" in entry:
            photo = ListedPhoto(
                id=f"pexels-{entry['id']}",
                url=entry["src"][_PEXELS_SIZES[size]],
                page=entry["url"],
                author=entry["photographer"],
                author_page=entry["photographer_url"],
                license=PEXELS_LICENSE,
            )
        else:
            photo = ListedPhoto(
                id=f"unsplash-{entry['id']}",
                url=entry["urls"][_UNSPLASH_SIZES[size]],
                page=entry["links"]["html"],
                author=entry["user"]["name"],
                author_page=entry["user"]["links"]["html"],
                # Photos of the subscription have another licence, which the API does not state.
                license=UNKNOWN_LICENSE if entry.get("premium") else UNSPLASH_LICENSE,
            )
    except (KeyError, TypeError, AttributeError):
        raise InputError(
            f"Expected photo objects of pexels' or Unsplash's API in {file}, received "
            f"{json.dumps(entry)[:80]}."
        ) from None
    return _checked(photo, file)


def _of_row(row: dict[str, Any], file: Path) -> ListedPhoto:
    photo = _of_address(row.get("url") or "", file)
    known = {name: row.get(name) for name in ListedPhoto._fields if name != "url"}
    known["author"] = known["author"] or row.get("photographer")
    return photo._replace(**{name: value for name, value in known.items() if value})


def _of_address(address: str, file: Path) -> ListedPhoto:
    page = _PEXELS_PAGE.fullmatch(address)
    if page:
        number = page[1]
        url = f"https://images.pexels.com/photos/{number}/pexels-photo-{number}.jpeg"
        return ListedPhoto(f"pexels-{number}", url, address, license=PEXELS_LICENSE)
    digest = hashlib.sha256(address.encode()).hexdigest()[:16]
    return _checked(ListedPhoto(digest, address), file)


def _checked(photo: ListedPhoto, file: Path) -> ListedPhoto:
    if not all(isinstance(value, str) for value in photo) or not re.fullmatch(
        r"https?://[^\s/]+/\S*", photo.url
    ):
        raise InputError(
            f"Expected addresses that begin with http:// or https:// in {file}, received "
            f"{photo.url!r}."
        )
    return photo
