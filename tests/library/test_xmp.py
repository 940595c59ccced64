"""Ratings in XMP packets: merged without a change to anything else, and refused where unsafe."""

import time
from itertools import takewhile
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nima_pretrain.errors import InputError
from nima_pretrain.library.xml_text import MAX_BYTES
from nima_pretrain.library.xmp import MARK, XMP, Rating, rating_of, with_rating
from tests.library.packets import PACKETS

RATINGS = (f"{{{XMP}}}Rating", f"{{{MARK}}}Rating")
NESTED = "{http://ns.adobe.com/xap/1.0/mm/}Pantry"
SUBJECT = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"

# Packets with an empty element that the rating opens.
OPENED = {"Capture One", "empty"}
packets = pytest.mark.parametrize("packet", PACKETS.values(), ids=PACKETS)


def merged(packet: bytes | None, stars: int, *, by_model: bool = True) -> bytes:
    return with_rating(packet, stars, by_model=by_model, name="photo.xmp")


def content_of(packet: bytes) -> list[object]:
    """All that a packet holds except ratings of the photo, by the parser of the standard library.

    A description that was added for a rating alone counts as nothing.
    """
    builder = ElementTree.TreeBuilder(insert_comments=True, insert_pis=True)
    root = ElementTree.fromstring(packet, ElementTree.XMLParser(target=builder))
    subjects = {*root.findall(f".//{SUBJECT}")} - {
        *(inner for pantry in root.iter(NESTED) for inner in pantry.iter(SUBJECT))
    }
    found: list[object] = []

    def visit(element: ElementTree.Element) -> None:
        attributes = dict(element.attrib)
        if element in subjects:
            for name in RATINGS:
                attributes.pop(name, None)
        children = [
            child for child in element if not (element in subjects and child.tag in RATINGS)
        ]
        is_new = element in subjects and set(attributes) == {f"{SUBJECT[:-11]}about"}
        if is_new and not children and not (element.text or "").strip():
            return
        found.append((str(element.tag), sorted(attributes.items()), (element.text or "").strip()))
        for child in children:
            visit(child)
            found.append((child.tail or "").strip())

    visit(root)
    return [part for part in found if part]


@packets
@pytest.mark.parametrize("stars", [-1, 0, 3, 5])
@pytest.mark.parametrize("by_model", [True, False])
def test_a_merged_rating_is_read_again(packet, stars, by_model):
    assert rating_of(packet, "photo.xmp") in (None, Rating(0, by_model=False))
    after = merged(packet, stars, by_model=by_model)
    assert rating_of(after, "photo.xmp") == Rating(stars, by_model)


@packets
def test_merging_changes_nothing_else(packet):
    assert content_of(merged(packet, 4)) == content_of(packet)


@pytest.mark.parametrize("name", sorted(PACKETS.keys() - OPENED))
def test_all_other_characters_stay_as_they_are(name):
    packet = PACKETS[name]
    encoding = "utf-16" if packet[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    before = packet.decode(encoding)
    rated = merged(packet, 4, by_model=False).decode(encoding)
    if len(rated) == len(before):
        assert {pair for pair in zip(before, rated, strict=True) if len(set(pair)) > 1} == {
            ("0", "4")
        }
    else:
        assert is_insertion(before, rated)
    marked = merged(packet, 4).decode(encoding)
    assert is_insertion(rated, marked)


def is_insertion(before: str, after: str) -> bool:
    """Returns True if text was inserted at one place, and nothing was removed."""
    same = takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False))
    rest = before[len(list(same)) :]
    return len(after) > len(before) and after.endswith(rest)


def test_an_empty_element_is_opened():
    assert merged(PACKETS["empty"], 4) == merged(PACKETS["empty with an end tag"], 4)
    capture_one = PACKETS["Capture One"]
    rated = capture_one.replace(b"<xmp:Rating/>", b"<xmp:Rating>4</xmp:Rating>")
    assert merged(capture_one, 4, by_model=False) == rated


def test_the_quotes_and_types_of_a_rating_stay():
    after = merged(PACKETS["two ratings"], 4, by_model=False).decode()
    assert "xmp:Rating='4'/>" in after
    assert 'XMLSchema#integer"\n   >4</xmp:Rating >' in after


@packets
def test_a_person_takes_the_mark_off(packet):
    by_person = merged(merged(packet, 4), 4, by_model=False)
    assert rating_of(by_person, "photo.xmp") == Rating(4, by_model=False)
    assert content_of(by_person) == content_of(packet)


@packets
def test_the_same_rating_again_is_no_change(packet):
    assert merged(merged(packet, 4), 4) == merged(packet, 4)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_known_without_a_byte_order_mark(encoding):
    packet = PACKETS["Lightroom"].decode().encode(encoding)
    after = merged(packet, 4)
    assert after.decode(encoding) == merged(PACKETS["Lightroom"], 4).decode()
    assert rating_of(after, "photo.xmp") == Rating(4, by_model=True)


def test_a_new_packet_holds_the_rating_alone():
    assert content_of(merged(None, 4)) == content_of(PACKETS["empty with an end tag"])


@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(["&#10;", "\n", "\r\n", ""]))
def test_any_text_and_attribute_survive(text, attribute, line_break):
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf='
        f'"http://www.w3.org/1999/02/22-rdf-syntax-ns#"><!--{line_break}--><rdf:Description '
        f'xmlns:a="b/" a:c={quoteattr(attribute)}{line_break[-1:].strip(";")}>{line_break}'
        f"<a:d>{escape(text)}</a:d></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    try:
        content = content_of(packet.encode())
    except (ElementTree.ParseError, UnicodeEncodeError):
        with pytest.raises(InputError, match="is no XMP"):
            merged(packet.encode(errors="surrogatepass"), 3)
        return
    assert content_of(merged(packet.encode(), 3)) == content


def packet_of(rating: str) -> bytes:
    return PACKETS["rdf:RDF alone"].replace(b'xmp:Label="Red"', f'xmp:Rating="{rating}"'.encode())


@pytest.mark.parametrize("rating, stars", [("5", 5), ("3.0", 3), (" 2 ", 2), ("-1", -1), ("+4", 4)])
def test_ratings_are_read_as_programs_write_them(rating, stars):
    assert rating_of(packet_of(rating), "photo.xmp") == Rating(stars, by_model=False)


@pytest.mark.parametrize("rating", ["6", "-2", "2.5", "nan", "four", "1e400"])
def test_other_ratings_are_refused(rating):
    with pytest.raises(InputError, match="xmp:Rating of -1 to 5 in photo.xmp, received"):
        rating_of(packet_of(rating), "photo.xmp")


BILLION_LAUGHS = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>
<x>&d;</x>"""
# The warning about the relative name "b" hides the error before it.
UNDECLARED = (
    b'<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><r:Description xmp:Rating="5"/>'
    b'<a xmlns="b"/></r:RDF><more/>'
)
FOREIGN_FILE = b"""<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><x>&f;</x>"""


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "is no XMP: "),
        (b"This is a note.", "is no XMP: Start tag expected"),
        (PACKETS["Lightroom"][:700], "is no XMP: "),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "XML without rdf:RDF"),
        (BILLION_LAUGHS, "has a document type"),
        (BILLION_LAUGHS.decode().encode("utf-16"), "has a document type"),
        (FOREIGN_FILE, "has a document type"),
        (b"<x>&f;</x>", "Entity 'f' not defined"),
        (UNDECLARED, "Namespace prefix xmp for Rating on Description is not defined"),
        (b"\xff\xd8\xff\xe0" * 9, "neither UTF-8 nor UTF-16"),
        (b"<a>" * 100_000, "Excessive depth"),
        (b"\0" * 100, "is no XMP: "),
    ],
)
def test_content_that_is_no_xmp_is_refused(content, reason):
    for call in (lambda: rating_of(content, "photo.xmp"), lambda: merged(content, 3)):
        with pytest.raises(InputError, match=f"photo.xmp .*{reason}"):
            call()


def test_a_packet_of_four_megabytes_takes_seconds():
    filling = b'<b:empty b:c="d"/>' * (4 * 2**20 // 18)
    packet = PACKETS["unknown namespaces"].replace(b"<b:empty/>", filling)
    start = time.monotonic()
    assert rating_of(merged(packet, 3), "photo.xmp") == Rating(3, by_model=True)
    assert time.monotonic() - start < 30


HEAD = PACKETS["rdf:RDF alone"].partition(b"<rdf:Description")[0]
NUMBERS = range(80_000)
HOSTILE = {
    "descriptions": b'<rdf:Description xmp:Rating="1"/>' * 60_000,
    "elements": b"<rdf:Description><xmp:Rating>1</xmp:Rating></rdf:Description>" * 20_000,
    "ratings": b"<rdf:Description>%s</rdf:Description>" % (b"<xmp:Rating/>" * 80_000),
    "prefixes": b'<rdf:Description %s xmp:Rating="1"/>'
    % b" ".join(b'xmlns:nima%s="a"' % (b"%d" % number if number else b"") for number in NUMBERS),
    "attributes": b'<rdf:Description %s xmp:Rating="1"/>'
    % b" ".join(b'a%d="a"' % number for number in NUMBERS),
    "prefixes of all": b"<a %s>%s</a>"
    % (
        b" ".join(b'xmlns:p%d="a"' % number for number in NUMBERS[:20_000]),
        HEAD + b'<rdf:Description xmp:Rating="1"/>' * 20_000 + b"</rdf:RDF>",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_time_for_a_hostile_packet_of_megabytes_is_linear(name):
    is_whole = HOSTILE[name].startswith(b"<a ")
    packet = HOSTILE[name] if is_whole else HEAD + HOSTILE[name] + b"</rdf:RDF>"
    assert len(packet) > 8e5
    start = time.monotonic()
    marked = merged(packet, 3)
    assert rating_of(marked, "photo.xmp") == Rating(3, by_model=True)
    assert rating_of(merged(marked, 2, by_model=False), "photo.xmp") == Rating(2, by_model=False)
    assert time.monotonic() - start < 60


def test_a_packet_that_is_too_large_is_refused():
    packet = PACKETS["Lightroom"] + b" " * (MAX_BYTES + 2**20)
    with pytest.raises(InputError, match="at most 16 MB, photo.xmp has 17 MB. Remove it"):
        merged(packet, 3)
