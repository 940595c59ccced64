"""The culling page in a real browser and against forged requests; stars are read by exiftool."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from nima_pretrain.config import NetworkConfig
from nima_pretrain.library.sidecars import set_stars, stars_of
from nima_pretrain.weights.litert_writing import write_litert
from nima_pretrain.weights.side_car import NimaCard, ScaleConfig
from nima_pretrain.weights.store import save_weights
from tests.processes import finish, program

TIFF = "Summer 2021/scan.tiff"


@pytest.fixture(scope="module")
def weights(tmp_path_factory, lively_nima):
    path = tmp_path_factory.mktemp("weights") / "nima.h5"
    scale = ScaleConfig(bins=5, low=1, high=5)
    network = NetworkConfig(width=0.35, input_size=32)
    save_weights(lively_nima, path, NimaCard(network=network, scale=scale))
    write_litert(path)
    return path


@pytest.fixture
def folder(tmp_path, photo):
    """Two photos alone, a burst of three, and a TIFF, which browsers do not show."""
    folder = tmp_path / "shoot"
    (folder / "Summer 2021").mkdir(parents=True)
    large = Image.fromarray(photo).resize((1353, 900))
    large.crop((0, 0, 700, 900)).save(folder / "a b#1.jpg")
    large.transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(folder / "<b>.jpg")
    large.convert("L").point(lambda value: 255 - value).save(folder / TIFF)
    exif = Image.Exif()
    for number in range(3):
        exif.get_ifd(0x8769)[0x9003] = f"2024:05:01 10:00:0{number}"
        burst = large.crop((4 * number, 0, 1200 + 4 * number, 900))
        burst.save(folder / f"burst {number}.jpg", exif=exif, quality=95)
    return folder


@contextlib.contextmanager
def served(folder: Path, weights: Path, *options: object) -> Iterator[tuple[str, subprocess.Popen]]:
    """The command's address and process."""
    arguments = program("cull", folder, "--weights", weights, "--no-browser", *options)
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        address = next(line.split()[1] for line in lines if line.startswith("Open http"))
        yield address, process
    finally:
        process.kill()
        process.communicate()


def test_a_browser_is_led_to_the_page_without_its_address_among_its_arguments(
    browser, folder, weights, tmp_path, monkeypatch
):
    program_file, arguments = tmp_path / "browser", tmp_path / "arguments"
    program_file.write_text(f'#!/bin/sh\nprintf %s "$*" > "{arguments}"\n')
    program_file.chmod(0o700)
    monkeypatch.setenv("BROWSER", f"{program_file} %s")
    with served(folder, weights, "--browser") as (address, process):
        wait_for(lambda: arguments.exists() and arguments.read_text())
        link = arguments.read_text()
        assert link.startswith("file:///")
        assert urlsplit(address).path.strip("/") not in link
        browser.get(link)
        WebDriverWait(browser, 60).until(lambda b: b.current_url == address)
        assert len(browser.find_elements(By.CSS_SELECTOR, "#grid li")) == 4
        browser.get("about:blank")
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert not Path(urlsplit(link).path).exists()
    browser.get_log("browser")


def exiftool_rating(sidecar: Path) -> int | None:
    if not shutil.which("exiftool"):
        pytest.skip("needs the package libimage-exiftool-perl")
    done = subprocess.run(
        ["exiftool", "-json", "-XMP-xmp:Rating", sidecar], capture_output=True, check=True
    )
    return json.loads(done.stdout)[0].get("Rating")


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def rating_of(photo: Path) -> int | None:
    found = stars_of(photo)
    return found.stars if found else None


def press(browser, *keys):
    for key in keys:
        browser.switch_to.active_element.send_keys(key)


def focused(browser) -> str:
    script = "return document.activeElement.dataset.path || ''"
    return Path(browser.execute_script(script)).name


def card(browser, name):
    cards = browser.find_elements(By.CSS_SELECTOR, "#grid li")
    return next(c for c in cards if Path(c.get_attribute("data-path")).name == name)


def test_keys_give_stars_that_other_programs_read(browser, folder, weights):
    with served(folder, weights) as (address, process):
        browser.get(address)
        # The burst is folded into one card.
        assert len(browser.find_elements(By.CSS_SELECTOR, "#grid li")) == 4
        assert "6 of 6 photos, similar ones folded into 4" in browser.page_source
        press(browser, Keys.ARROW_RIGHT)
        first = focused(browser)
        press(browser, "4")
        second = focused(browser)
        assert second != first
        press(browser, "x")
        third = focused(browser)
        press(browser, "2")
        wait_for(lambda: rating_of(folder_path(folder, third)) == 2)
        press(browser, "u")
        wait_for(lambda: not folder_path(folder, third).with_name(f"{third}.xmp").exists())
        for name, stars in ((first, 4), (second, -1)):
            photo = folder_path(folder, name)
            wait_for(lambda photo=photo, stars=stars: rating_of(photo) == stars)
            assert exiftool_rating(photo.with_name(photo.name + ".xmp")) == stars
        Select(browser.find_element(By.ID, "stars")).select_by_value("4")
        (only,) = browser.find_elements(By.CSS_SELECTOR, "#grid li")
        assert Path(only.get_attribute("data-path")).name == first
        # A new page, and a new program, show the stars that the sidecars hold.
        browser.get(address)
        pressed = card(browser, first).find_elements(By.CSS_SELECTOR, "[aria-pressed=true]")
        assert len(pressed) == 4
        # Before the end, which pictures that are still being loaded would report.
        assert browser.get_log("browser") == []
        browser.get("about:blank")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    browser.get_log("browser")


def folder_path(folder: Path, name: str) -> Path:
    (path,) = (path for path in folder.rglob("*") if path.name == name)
    return path


def test_similar_photos_lie_side_by_side_and_zoom_together(browser, folder, weights):
    with served(folder, weights) as (address, _):
        browser.get(address)
        if place_of_group(browser) == 3:  # the last card: no other one would follow it
            Select(browser.find_element(By.ID, "order")).select_by_value("worst")
        place = place_of_group(browser)
        best = browser.find_elements(By.CSS_SELECTOR, "#grid li")[place]
        best.find_element(By.TAG_NAME, "a").click()
        images = browser.find_elements(By.CSS_SELECTOR, "#panes img")
        assert len(images) == 3
        loaded = "return [...document.querySelectorAll('#panes img')].every((i) => i.naturalWidth)"
        WebDriverWait(browser, 60).until(lambda b: b.execute_script(loaded))
        assert {image.get_property("naturalWidth") for image in images} == {1200}
        assert all(image.size["width"] < 1000 for image in images)
        press(browser, "z")
        assert {image.size["width"] for image in images} == {1200}
        lefts = browser.execute_script(
            "return [...document.querySelectorAll('#panes img')].map((i) => i.style.left)"
        )
        assert len(set(lefts)) == 1
        # Stars of every photo of the group, then on to the next card.
        names = {Path(p.get_attribute("data-path")).name for p in panes(browser)}
        assert names == {f"burst {number}.jpg" for number in range(3)}
        press(browser, "5", "1", "x")
        wait_for(lambda: {rating_of(folder / name) for name in names} == {5, 1, -1})
        assert len(panes(browser)) == 1
        press(browser, Keys.ESCAPE)
        assert not browser.find_element(By.ID, "viewer").is_displayed()
        assert browser.get_log("browser") == []


def place_of_group(browser) -> int:
    """The place of the card of a group."""
    cards = browser.find_elements(By.CSS_SELECTOR, "#grid li")
    (place,) = (index for index, card in enumerate(cards) if "+ 2 similar" in card.text)
    return place


def panes(browser):
    return browser.find_elements(By.CSS_SELECTOR, "#panes .pane")


def test_fingers_cull_on_a_phone(browser, folder, weights):
    metrics = {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    with served(folder, weights) as (address, _):
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        try:
            browser.get(address)
            assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
            small = card(browser, "a b#1.jpg").find_element(By.CSS_SELECTOR, "[data-stars='3']")
            assert small.size["height"] >= 36
            small.click()
            wait_for(lambda: rating_of(folder / "a b#1.jpg") == 3)
            card(browser, "<b>.jpg").find_element(By.TAG_NAME, "a").click()
            browser.find_element(By.CSS_SELECTOR, "#bar [data-stars='2']").click()
            wait_for(lambda: rating_of(folder / "<b>.jpg") == 2)
            bottom = "return document.getElementById('bar').getBoundingClientRect().bottom"
            assert browser.execute_script(bottom) <= 800
            browser.find_element(By.ID, "close").click()
        finally:
            browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_every_format_is_shown_and_stars_that_cannot_be_saved_are_taken_back(
    browser, folder, weights
):
    (folder / "a b#1.jpg.xmp").write_text("no XML")
    with served(folder, weights) as (address, _):
        browser.get(address)
        card(browser, Path(TIFF).name).find_element(By.TAG_NAME, "a").click()
        width = "return document.querySelector('#panes img').naturalWidth"
        WebDriverWait(browser, 60).until(lambda b: b.execute_script(width) == 1353)
        press(browser, Keys.ESCAPE)
        card(browser, "a b#1.jpg").find_element(By.CSS_SELECTOR, "[data-stars='5']").click()
        trouble = browser.find_element(By.ID, "trouble")
        WebDriverWait(browser, 60).until(lambda _: "is no XMP" in trouble.text)
        assert (folder / "a b#1.jpg.xmp").read_text() == "no XML"
        rated = card(browser, "a b#1.jpg").find_elements(By.CSS_SELECTOR, "[aria-pressed=true]")
        assert rated == []


def test_a_page_without_its_program_says_so_and_keeps_the_stars(browser, folder, weights):
    with served(folder, weights) as (address, process):
        browser.get(address)
        process.kill()
        process.wait()
        press(browser, Keys.ARROW_RIGHT, "4")
        trouble = browser.find_element(By.ID, "trouble")
        WebDriverWait(browser, 60).until(lambda _: "has ended" in trouble.text)
        assert "1 photo" in trouble.text
        browser.execute_script("unsaved.clear()")  # lets the browser leave the page
        browser.get_log("browser")


def test_a_page_of_an_earlier_program_at_the_same_port_keeps_the_stars_and_says_so(
    browser, folder, weights
):
    with served(folder, weights) as (address, _):
        browser.get(address)
        port = urlsplit(address).port
    with served(folder, weights, "--port", port):
        press(browser, Keys.ARROW_RIGHT, "4", "5")
        trouble = browser.find_element(By.ID, "trouble")
        WebDriverWait(browser, 60).until(lambda _: "was started anew" in trouble.text)
        WebDriverWait(browser, 60).until(lambda _: "2 photos" in trouble.text)
        time.sleep(3)  # another attempt
        assert browser.execute_script("return unsaved.size") == 2
        # Preventing this event makes browsers ask before the page is left.
        leaving = "return !window.dispatchEvent(new Event('beforeunload', {cancelable: true}))"
        assert browser.execute_script(leaving)
        assert not list(folder.rglob("*.xmp"))
    browser.execute_script("unsaved.clear()")
    browser.get_log("browser")


@pytest.mark.parametrize(
    ("status", "body"),
    [(403, "no JSON"), (404, "no JSON"), (409, "no JSON"), (421, "null"), (500, '{"error": "x"}')],
)
def test_stars_are_saved_after_any_answer_that_is_no_refusal_by_their_file(
    browser, page_once, status, body
):
    folder, address = page_once
    for sidecar in folder.rglob("*.xmp"):
        sidecar.unlink()
    browser.get(address)
    browser.execute_script(
        """const [status, body] = arguments, real = window.fetch;
        let attempts = 0;
        window.fetch = (...asked) => attempts++ ? real(...asked) : new Response(body, {status});""",
        *(status, body),
    )
    press(browser, Keys.ARROW_RIGHT)
    name = focused(browser)
    press(browser, "4")
    trouble = browser.find_element(By.ID, "trouble")
    WebDriverWait(browser, 60).until(lambda _: "Not saved: 1 photo" in trouble.text)
    assert browser.execute_script("return unsaved.size") == 1
    wait_for(lambda: rating_of(folder_path(folder, name)) == 4)
    WebDriverWait(browser, 60).until(lambda _: not trouble.is_displayed())
    assert browser.execute_script("return unsaved.size") == 0


@pytest.fixture(scope="module")
def page_once(tmp_path_factory, photo, weights):
    """A folder of one photo, and the address of a page that several tests load."""
    folder = tmp_path_factory.mktemp("single")
    Image.fromarray(photo).save(folder / "one.jpg")
    with served(folder, weights) as (address, _):
        yield folder, address


def test_undo_restores_what_was_there(browser, folder, weights):
    model, unrated = folder / "a b#1.jpg", folder / "<b>.jpg"
    set_stars(model, 4, by_person=False)
    before = model.with_name("a b#1.jpg.xmp").read_bytes()
    with served(folder, weights) as (address, _):
        browser.get(address)
        for photo in (model, unrated):
            for stars in (5, 2):
                star = f"[data-stars='{stars}']"
                card(browser, photo.name).find_element(By.CSS_SELECTOR, star).click()
                wait_for(lambda photo=photo, stars=stars: rating_of(photo) == stars)
        press(browser, "u")
        wait_for(lambda: rating_of(unrated) == 5)
        press(browser, "u")
        wait_for(lambda: rating_of(unrated) is None)
        assert not unrated.with_name("<b>.jpg.xmp").exists()
        press(browser, "u", "u")
        wait_for(lambda: rating_of(model) == 4)
        assert model.with_name("a b#1.jpg.xmp").read_bytes() == before
        assert stars_of(model).by_model
        pressed = card(browser, model.name).find_elements(By.CSS_SELECTOR, "[aria-pressed=true]")
        assert len(pressed) == 4
        assert browser.get_log("browser") == []


def ask(address, method="GET", path="", host=None, body=None, **headers):
    """Status and body of a request with any headers."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    with contextlib.closing(connection):
        connection.putrequest(method, path or parts.path, skip_host=True)
        connection.putheader("Host", host or parts.netloc)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        if body is not None and "Content_Length" not in headers:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_only_this_page_on_this_machine_is_answered(folder, weights, tmp_path):
    secret = tmp_path / "secret.jpg"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(secret)
    with served(folder, weights) as (address, _):
        base = urlsplit(address).path
        port = urlsplit(address).port
        stars = b'{"stars": 5}'
        assert ask(address)[0] == 200
        assert ask(address, path="/")[0] == 404
        assert ask(address, path=f"/{'x' * 22}/")[0] == 404
        for host in ("evil.example", f"evil.example:{port}", f"127.0.0.1:{port + 1}", "127.0.0.1"):
            assert ask(address, host=host)[0] == 421
        assert ask(address, host=f"localhost:{port}")[0] == 200
        forged = {"method": "PUT", "path": f"{base}stars/0", "body": stars}
        assert ask(address, Origin="http://evil.example", **forged)[0] == 403
        assert ask(address, Origin="null", **forged)[0] == 403
        assert ask(address, Sec_Fetch_Site="cross-site", **forged)[0] == 403
        for path in ("photo/99", "photo/-1", "photo/x", "photo/..%2f..%2fsecret.jpg", "../secret"):
            assert ask(address, path=base + path)[0] == 404
        for body in (
            b"",
            b"5",
            b"[]",
            b"{}",
            b'{"stars": 6}',
            b'{"stars": true}',
            b'{"stars": 1, "undo": 1}',
            b"[" * 900,
        ):
            assert ask(address, "PUT", f"{base}stars/0", body=body)[0] == 400
        assert ask(address, "PUT", f"{base}stars/0", body=b" " * 2000)[0] == 413
        assert ask(address, "PUT", f"{base}stars/0", Content_Length="9" * 12)[0] == 413
        assert ask(address, "POST", f"{base}stars/0", body=stars)[0] == 405
        assert not list(folder.rglob("*.xmp"))
        # A photo that is no photo any more is not sent, wherever it leads.
        photo = next(path for path in folder.glob("*.jpg") if path.name.startswith("<"))
        photo.unlink()
        photo.symlink_to("/etc/passwd")
        answers = [ask(address, path=f"{base}photo/{number}") for number in range(6)]
        assert [status for status, _ in answers].count(404) == 1
        assert not any(b"root:" in content for _, content in answers)


def test_photos_may_have_names_of_any_bytes(folder, weights):
    photo = folder / os.fsdecode(b"caf\xe9.jpg")
    shutil.copy(folder / "a b#1.jpg", photo)
    with served(folder, weights) as (address, _):
        base = urlsplit(address).path
        for number in range(7):
            assert ask(address, path=f"{base}thumbnail/{number}")[0] == 200
            assert ask(address, "PUT", f"{base}stars/{number}", body=b'{"stars": 3}')[0] == 200
    assert rating_of(photo) == 3


def test_scores_are_kept_and_the_port_may_be_taken(folder, weights, tmp_path):
    scores = tmp_path / "scores.csv"
    with served(folder, weights, "--scores", scores) as (address, _):
        assert len(scores.read_text().splitlines()) == 7
        port = urlsplit(address).port
        done = finish(program("cull", folder, "--weights", weights, "--port", port, "--no-browser"))
        assert done.returncode == 2
        assert f"Cannot serve at port {port}" in done.stderr
        assert "Traceback" not in done.stderr
    # The page shows the edited score, so nothing was scored again.
    rows = pd.read_csv(scores, dtype=str, keep_default_na=False)
    rows.loc[0, "mean"] = "4.987"
    rows.to_csv(scores, index=False)
    with served(folder, weights, "--scores", scores) as (address, _):
        assert b'"mean": 4.987' in ask(address)[1]


def test_the_page_shows_the_photos_that_were_asked_for_and_no_others_of_the_score_file(
    folder, weights, tmp_path
):
    scores = tmp_path / "scores.csv"
    with served(folder, weights, "--scores", scores) as (address, _):
        assert len(shown_names(address)) == 6
    with served(folder / "Summer 2021", weights, "--scores", scores) as (address, _):
        assert shown_names(address) == {"scan.tiff"}
    (folder / "<b>.jpg").unlink()
    with served(folder, weights, "--scores", scores) as (address, _):
        assert len(shown_names(address)) == 5
    assert len(scores.read_text().splitlines()) == 7


def shown_names(address: str) -> set[str]:
    """The names of the photos on the page."""
    _, page = ask(address)
    data = page.decode().partition('<script type="application/json" id="data">')[2]
    photos = json.loads(data.partition("</script>")[0])["photos"]
    return {photo["name"] for photo in photos}
