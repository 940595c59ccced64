"""Hook of mkdocs: linked files of the repository outside docs/ become part of the site.

Pages of docs/ link to files beside it, such as ../models/README.md, so that links work on a code
host. On the site these files have the same path below the root. Markdown files and notebooks become
pages, whose own links are followed in turn; all others are copied as they are.
"""

import json
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

# The target of a link without a scheme: `](target#anchor)` or `](target)`.
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#|/)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the files that pages link to, and those that these link to."""
    root = Path(config.config_file_path).parent
    waiting = [f"docs/{file.src_uri}" for file in files.documentation_pages() if file.abs_src_path]
    while waiting:
        page = waiting.pop()
        for target in LINK.findall(markdown_of(root / page)):
            path = repository_path(page, target, root)
            if (root / path).is_file() and site_path(path) not in files.src_uris:
                files.append(site_file(path, root, config))
                if path.endswith((".md", ".ipynb")):
                    waiting.append(path)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Returns the text of a page with its links as they are on the site."""
    root = Path(config.config_file_path).parent
    here = page.file.src_uri
    source = f"docs/{here}" if (root / "docs" / here).is_file() else here

    def on_site(link: re.Match[str]) -> str:
        path = site_path(repository_path(source, link[1], root))
        return (
            posixpath.relpath(path, posixpath.dirname(here)) if path in files.src_uris else link[1]
        )

    return LINK.sub(on_site, markdown)


def repository_path(page: str, target: str, root: Path) -> str:
    """Returns the path below the root that a page links to; a folder stands for its README."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), target))
    return f"{path}/README.md" if (root / path).is_dir() else path


def site_path(path: str) -> str:
    """Returns the place of a repository's file on the site, whose start page is docs/README.md."""
    return re.sub(r"\.ipynb$", ".md", path.removeprefix("docs/"))


def site_file(path: str, root: Path, config: MkDocsConfig) -> File:
    """Returns a file of the repository as a file of the site."""
    if path.endswith(".ipynb"):
        return File.generated(config, site_path(path), content=markdown_of(root / path))
    return File(site_path(path), str(root), config.site_dir, use_directory_urls=False)


def markdown_of(file: Path) -> str:
    """Returns the text of a Markdown file or a notebook, and "" for files without text of pages."""
    if file.suffix == ".md":
        return file.read_text(encoding="utf-8")
    if file.suffix != ".ipynb":
        return ""
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    texts = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    return "\n\n".join(
        f"```python\n{text}\n```" if kind == "code" else text for kind, text in texts
    )
