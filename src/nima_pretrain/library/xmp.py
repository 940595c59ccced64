"""The rating in an XMP packet: parsed for its meaning, edited in its text.

The rating is changed in the text itself, so that every other character stays: unknown namespaces,
comments, order, quotes and line breaks.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from itertools import count
from typing import Any, NamedTuple

from lxml import etree

from nima_pretrain.errors import InputError
from nima_pretrain.library.xml_text import decoded, parsed

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XMP = "http://ns.adobe.com/xap/1.0/"
# The property of ours that holds the rating that a model gave. Where it differs from xmp:Rating,
# or is missing, a person has rated the photo.
MARK = "nima-pretrain:ns:stars/"

_PREFIXES = {RDF: "rdf", XMP: "xmp", MARK: "nima"}
_NEW = f"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="{RDF}">
  <rdf:Description rdf:about=""/>
 </rdf:RDF>
</x:xmpmeta>
"""

_ATTRIBUTE = re.compile(
    r"""\s+(?P<name>[^\s=]+)\s*=\s*(?P<quote>["'])(?P<value>.*?)(?P=quote)""", re.DOTALL
)
_TOKEN = re.compile(
    r"<!--.*?-->|<\?.*?\?>|<!\[CDATA\[.*?\]\]>|</[^>]*>"
    r"""|(?P<start><[^\s/>]+)(?:\s+[^\s=]+\s*=\s*(?:"[^"]*"|'[^']*'))*(?P<place>)\s*(?P<empty>/?)>""",
    re.DOTALL,
)


class Rating(NamedTuple):
    """The rating of an XMP packet.

    Attributes:
        stars: 1 to 5; 0 is unrated, -1 rejected.
        by_model: whether nima-pretrain wrote it, and nobody has changed it since.
    """

    stars: int
    by_model: bool


def rating_of(content: bytes, name: str) -> Rating | None:
    """Returns the rating in an XMP packet; None if it has none.

    Args:
        content: the packet, UTF-8 or UTF-16, with or without a byte order mark.
        name: the file, for errors.

    Raises:
        InputError: the content is no XMP, is not safe to parse, or has a rating outside -1 to 5.
    """
    packet = _Packet(decoded(content, name)[0], name)
    value = packet.value(XMP)
    if not value:  # missing, or empty, as some programs write it for an unrated photo
        return None
    try:
        stars = float(value)
    except ValueError:
        stars = float("nan")
    if stars not in range(-1, 6):
        raise InputError(
            f"Expected an xmp:Rating of -1 to 5 in {name}, received {value[:40]!r}. Correct it."
        )
    return Rating(int(stars), by_model=packet.value(MARK) == f"{stars:.0f}")


def with_rating(content: bytes | None, stars: int, *, by_model: bool, name: str) -> bytes:
    """Returns an XMP packet with a rating, in which all else is unchanged.

    Args:
        content: the packet, see `rating_of`; None for a new one.
        stars: -1 to 5.
        by_model: whether the rating is marked as that of a model, not of a person.
        name: the file, for errors.

    Raises:
        InputError: the content is no XMP, or is not safe to parse.
    """
    text, encoding = (_NEW, "utf-8") if content is None else decoded(content, name)
    text = _Packet(text, name).replaced(XMP, str(stars))
    text = _Packet(text, name).replaced(MARK, str(stars) if by_model else None)
    return text.encode(encoding)


class _Packet:
    """An XMP packet, whose elements are paired with their start tags in the text.

    Args:
        text: the packet.
        name: the file, for errors.

    Raises:
        InputError: the text is no XMP, or is not safe to parse.
    """

    def __init__(self, text: str, name: str) -> None:
        root = parsed(text, name)
        rdf = next(root.iter(f"{{{RDF}}}RDF"), None)
        if rdf is None:
            raise InputError(f"{name} is no XMP: it is XML without rdf:RDF.")
        self._text = text
        self._root = root
        self._rdf = rdf
        self._subjects = [child for child in rdf if child.tag == f"{{{RDF}}}Description"]

    def value(self, namespace: str) -> str | None:
        """Returns the property `Rating` of a namespace; None if it is missing."""
        name = f"{{{namespace}}}Rating"
        for subject in self._subjects:
            if name in subject.attrib:
                return str(subject.get(name)).strip()
            for child in subject.iterchildren(name):
                return "".join(child.itertext()).strip()
        return None

    def replaced(self, namespace: str, value: str | None) -> str:
        """Returns the text with another value of a namespace's `Rating`; None removes it."""
        edits = list(self._edits(namespace, value))
        if not edits and value is not None:
            edits = [self._insertion(namespace, value)]
        parts, done = [], 0
        for start, end, new in sorted(edits):
            parts += [self._text[done:start], new]
            done = end
        return "".join([*parts, self._text[done:]])

    def _edits(self, namespace: str, value: str | None) -> Iterator[tuple[int, int, str]]:
        """Yields the start, end and replacement of every place in the text that has the value."""
        name = f"{{{namespace}}}Rating"
        for subject in self._subjects:
            if name in subject.attrib:
                token = self._starts[subject]
                found = _ATTRIBUTE.finditer(token.group())
                attributes = (each for each in found if each["name"].partition(":")[0] != "xmlns")
                # Both are in the order of the document.
                attribute = dict(zip(subject.attrib, attributes, strict=True))[name]
                part, new = (0, "") if value is None else ("value", value)
                start, end = attribute.span(part)
                yield token.start() + start, token.start() + end, new
            for child in subject.iterchildren(name):
                yield self._edit_of_element(self._starts[child], value)

    def _edit_of_element(self, start: re.Match[str], value: str | None) -> tuple[int, int, str]:
        end = self._end_of(start)
        if value is None:
            return start.start(), end.end(), ""
        if start["empty"]:
            return start.start("place"), start.end(), f">{value}</{start['start'][1:]}>"
        return start.end(), end.start(), value

    def _insertion(self, namespace: str, value: str) -> tuple[int, int, str]:
        """Returns the place for a value that is missing, as an attribute of the description."""
        if self._subjects:
            subject = self._subjects[0]
            place = self._starts[subject].start("place")
            prefix, declaration = _prefix(subject, namespace)
            return place, place, f'{declaration} {prefix}:Rating="{value}"'
        token = self._starts[self._rdf]
        rdf, rdf_declaration = _prefix(self._rdf, RDF)
        prefix, declaration = _prefix(self._rdf, namespace)
        new = (
            f'<{rdf}:Description{rdf_declaration} {rdf}:about=""{declaration} '
            f'{prefix}:Rating="{value}"/>'
        )
        if not token["empty"]:
            return token.end(), token.end(), new
        return token.start("place"), token.end(), f">{new}</{token['start'][1:]}>"

    @cached_property
    def _starts(self) -> dict[Any, re.Match[str]]:
        """The start tags of all elements that an edit may touch, by element.

        Elements and tags are in the order of the document, so one pass pairs them.
        """
        touched = {self._rdf, *self._subjects}
        for subject in self._subjects:
            touched.update(subject.iterchildren(f"{{{XMP}}}Rating", f"{{{MARK}}}Rating"))
        tokens = (token for token in _TOKEN.finditer(self._text) if token["start"])
        pairs = zip(self._root.iter(etree.Element), tokens, strict=True)
        return {element: token for element, token in pairs if element in touched}

    def _end_of(self, start: re.Match[str]) -> re.Match[str]:
        """Returns the token that ends the element with this start tag; it may be the same."""
        depth = 0
        for token in _TOKEN.finditer(self._text, start.start()):
            if token["start"] and not token["empty"]:
                depth += 1
            elif token.group().startswith("</"):
                depth -= 1
            if not depth:
                break
        return token


def _prefix(element: Any, namespace: str) -> tuple[str, str]:
    """Returns a prefix of a namespace at an element, and its declaration if it is new there."""
    taken = element.nsmap  # computed at every access
    for prefix, uri in taken.items():
        if prefix and uri == namespace:
            return prefix, ""
    names = (f"{_PREFIXES[namespace]}{number or ''}" for number in count())
    prefix = next(name for name in names if name not in taken)
    return prefix, f' xmlns:{prefix}="{namespace}"'
