"""The site as `make docs` builds it: complete, and without anything from another server."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import nima_pretrain
from nima_pretrain.config import FinetuneConfig
from tests.conftest import ROOT

# Attributes with which a page loads something by itself; a link is followed by its reader.
LOADING = {
    ("script", "src"),
    ("img", "src"),
    ("link", "href"),
    ("iframe", "src"),
    ("source", "src"),
}


class Page(HTMLParser):
    """The addresses of an HTML page."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.linked: list[str] = []
        self.ids: set[str] = set()
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and (tag, name) in LOADING:
                self.loaded.append(value)
            elif value and (tag, name) == ("a", "href"):
                self.linked.append(value)
            elif value and name == "id":
                self.ids.add(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site, built strictly and without a network."""
    folder = tmp_path_factory.mktemp("site")
    proxies = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, **proxies, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def html(site) -> dict[Path, Page]:
    return {file: Page(file) for file in site.rglob("*.html")}


def test_pages_load_nothing_from_another_server(site, html):
    assert len(html) > 20
    for file, page in html.items():
        assert [url for url in page.loaded if re.match(r"(https?:)?//", url)] == [], file
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//", style.read_text()), style


def test_links_lead_to_pages_and_headings_of_the_site(site, html):
    for file, page in html.items():
        if file.name == "404.html":  # its links begin at the root of a server
            continue
        for url in [*page.loaded, *page.linked]:
            target, _, anchor = url.partition("#")
            if re.match(r"[a-z]+:", url):
                continue
            there = (file.parent / target).resolve() if target else file
            there = there / "index.html" if there.is_dir() else there
            assert there.is_file(), f"{file.relative_to(site)}: {url}"
            if anchor and there in html and not anchor.startswith("__"):
                assert anchor in html[there].ids, f"{file.relative_to(site)}: {url}"


def test_the_reference_has_every_function_command_and_setting(site):
    reference = (site / "reference.html").read_text()
    for name in nima_pretrain._FUNCTIONS:
        assert f"nima_pretrain.{name}" in reference
    assert "<blockquote>" not in reference  # an example that was not taken for code
    commands = (site / "commands.html").read_text()
    for words in ("--explain [FILE|NAME]", "--base-weights", "weights publish", "check-data"):
        assert words in commands
    settings = (site / "settings.html").read_text()
    for name in FinetuneConfig.model_fields.keys() - {"order"}:
        assert f"<code>{name}</code>" in settings


def test_files_beside_the_docs_are_pages_of_the_site(site):
    for name in ("CONTRIBUTING.html", "SECURITY.html", "models/index.html", "examples/index.html"):
        assert (site / name).is_file(), name
    tutorial = (site / "examples" / "tutorial.html").read_text()
    assert "load_scorer" in tutorial
    assert 'id="see-what-changed"' in tutorial
    assert (site / "models" / "MobileNetV2" / "config_finetune.json").is_file()
    assert not list(site.rglob("*_page.py"))


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(site) -> Iterator[str]:
    """The site on a web server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("width", [390, 1280])
def test_pages_fit_a_phone_and_a_desk_and_report_no_error(browser, address, width):
    is_phone = width < 1000
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": is_phone},
    )
    for page in ("index", "finetuning", "results", "commands", "settings", "reference", "api"):
        browser.get(f"{address}/{page}.html")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width, page
        assert browser.find_element(By.TAG_NAME, "h1").is_displayed()
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_the_search_finds_a_setting(browser, address):
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.set_window_size(1280, 900)
    browser.get(f"{address}/index.html")
    browser.find_element(By.CSS_SELECTOR, "input[name=query]").send_keys("early_stopping_patience")
    links = WebDriverWait(browser, 20).until(
        lambda driver: driver.find_elements(By.CSS_SELECTOR, ".md-search-result__link")
    )
    assert any("settings.html" in str(link.get_attribute("href")) for link in links)
