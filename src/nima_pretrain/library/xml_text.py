"""The XML of XMP: its encoding, and a parser without entities, network access or large trees."""

import codecs
from typing import Any

from lxml import etree

from nima_pretrain.errors import InputError

MAX_BYTES = 16 * 2**20


def decoded(content: bytes, name: str) -> tuple[str, str]:
    """Returns the text, with its byte order mark, and its encoding.

    Raises:
        InputError: the content is neither UTF-8 nor UTF-16, or too long.
    """
    if len(content) > MAX_BYTES:
        raise InputError(
            f"Expected an XMP file of at most {MAX_BYTES // 2**20} MB, {name} has "
            f"{len(content) / 2**20:.0f} MB. Remove it, or restore it from a backup."
        )
    encoding = "utf-8"
    for candidate, mark in (("utf-16-le", codecs.BOM_UTF16_LE), ("utf-16-be", codecs.BOM_UTF16_BE)):
        if content.startswith((mark, "<".encode(candidate))):
            encoding = candidate
    try:
        return content.decode(encoding), encoding
    except UnicodeDecodeError:
        raise InputError(f"{name} is no XMP: it is neither UTF-8 nor UTF-16.") from None


def parsed(text: str, name: str) -> Any:
    """Returns the root of XML.

    Raises:
        InputError: the text is no XML, or is not safe to parse.
    """
    # Entities can be declared only here. XMP has no document type.
    if "<!DOCTYPE" in text:
        raise InputError(f"{name} is no XMP: it has a document type, which is not read.")
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
    )
    try:
        root = etree.fromstring(text.removeprefix("\ufeff").encode(), parser)
        # lxml forgets an undeclared prefix if a warning follows, and then all that is after the
        # root. It has the error in its log.
        reasons = [entry.message for entry in parser.error_log.filter_from_errors()]
    except etree.XMLSyntaxError as error:
        reasons = [str(error.msg)]
    if reasons:
        # It may quote a name of any length.
        raise InputError(f"{name} is no XMP: {reasons[0][:200]}.")
    return root
