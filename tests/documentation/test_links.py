"""Links between the pages lead to files and headings of the repository."""

import re

import pytest

from tests.conftest import ROOT
from tests.documentation.pages import name_of, pages, text_of

PAGES = pages()
LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)")


def anchors(text: str) -> set[str]:
    """Returns the anchors that code hosts give to headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    words = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.strip().replace(" ", "-") for heading in words}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_of_a_page_lead_somewhere(page):
    for target, anchor in LINK.findall(text_of(page)):
        file = page.parent / target if target else page
        assert file.exists(), target
        assert ROOT in file.resolve().parents, target
        if anchor:
            assert anchor in anchors(text_of(file)), f"{target}#{anchor}"


def test_every_page_of_docs_is_listed_in_its_start_page():
    listed = {target for target, _ in LINK.findall((ROOT / "docs" / "README.md").read_text())}
    pages_of_docs = {path.relative_to(ROOT / "docs").as_posix() for path in docs()}
    assert pages_of_docs - listed == {"README.md"}


def docs():
    return [page for page in PAGES if ROOT / "docs" in page.parents]
