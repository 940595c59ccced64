"""The page of scores, in a real browser: looks, order, filters, and names that are no HTML."""

import os
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.prediction.page import write_score_report
from nima_pretrain.prediction.score_row import ScoreRow
from nima_pretrain.prediction.score_row import shown as shown_path
from nima_pretrain.report import Figure, Table, write_section

ATTACK = "<script>document.title = 'attacked'<.png"
FAILED = [("bad/</script><img src=x onerror=alert(1)>.jpg", "cannot identify"), ("b.jpg", "empty")]


def rows_below(folder, photo, number):
    """Rows of so many photos in three folders, with means that rise from 1 to 5."""
    rows = []
    for index in range(number):
        name = ATTACK if index == 1 else f"a:b {index} #1?.jpg"
        path = folder / f"folder {index % 3}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if index < 9:
            Image.fromarray(np.roll(photo, index * 50, axis=1)).save(path)
        else:
            os.link(folder / f"folder {index % 3}" / f"a:b {3 + index % 3} #1?.jpg", path)
        mean = 1 + 4 * index / max(number - 1, 1)
        spread = 1 + (index * 7 % 5) / 10
        rows.append(ScoreRow(str(path), mean, spread, 25.0, (0.1, 0.2, 0.4, 0.2, 0.1)))
    rows += [ScoreRow(path, status="error", error=reason) for path, reason in FAILED]
    return rows


def load(browser, page):
    browser.get(page.as_uri())
    return browser.find_elements(By.CSS_SELECTOR, "#grid li")


def scores(browser):
    cards = browser.find_elements(By.CSS_SELECTOR, "#grid li")
    return [float(card.get_attribute("data-score")) for card in cards]


def count(browser):
    return browser.find_element(By.ID, "count").text


@contextmanager
def phone(browser, width):
    """Emulates a phone: headless windows are no narrower than 500 px."""
    metrics = {"width": width, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_page_sorts_filters_and_lists_what_failed(browser, tmp_path, photo):
    rows = rows_below(tmp_path / "photos", photo, 9)
    page = tmp_path / "reports" / "report.html"
    write_score_report(page, rows, ScoreScale(5))
    assert len(load(browser, page)) == 9
    assert count(browser) == "9 of 9 photos"
    assert scores(browser) == sorted(scores(browser), reverse=True)
    Select(browser.find_element(By.ID, "order")).select_by_value("worst")
    assert scores(browser) == sorted(scores(browser))
    Select(browser.find_element(By.ID, "folder")).select_by_visible_text("folder 2")
    assert count(browser) == "3 of 9 photos"
    browser.find_element(By.ID, "from").send_keys("3")
    assert scores(browser) == [3.5, 5.0]
    browser.find_element(By.ID, "to").send_keys("4")
    assert scores(browser) == [3.5]
    failed = browser.find_elements(By.CSS_SELECTOR, "#failed tr")
    assert [
        tuple(cell.text for cell in row.find_elements(By.TAG_NAME, "td")) for row in failed
    ] == (FAILED)
    bars = browser.find_elements(By.CSS_SELECTOR, "#histogram rect")
    assert sum(float(bar.get_attribute("height")) for bar in bars) == 9
    assert browser.get_log("browser") == []


def test_the_page_says_by_which_weights(browser, tmp_path, photo):
    rows = rows_below(tmp_path / "photos", photo, 9)
    rows[0] = replace(rows[0], weights="10f29c4c+mirrored")
    rows[4] = replace(rows[4], weights="0ff19c23")
    page = tmp_path / "report.html"
    write_score_report(page, rows, ScoreScale(5), most_photos=3)
    load(browser, page)
    summary = browser.find_element(By.CSS_SELECTOR, "h1 + p").text
    assert summary.endswith(" Weights: 0ff19c23, 10f29c4c+mirrored.")


def test_names_are_text_and_links_lead_to_the_photos(browser, tmp_path, photo):
    rows = rows_below(tmp_path / "photos", photo, 9)
    page = tmp_path / "reports" / "report.html"
    write_score_report(page, rows, ScoreScale(5))
    cards = load(browser, page)
    assert browser.title == "Scores of photographs"
    assert any(ATTACK in card.text for card in cards)
    assert browser.find_elements(By.CSS_SELECTOR, "#failed img") == []
    images = browser.find_elements(By.CSS_SELECTOR, "#grid img")
    assert all(image.get_property("naturalWidth") == 200 for image in images)
    links = [card.find_element(By.TAG_NAME, "a").get_property("href") for card in cards]
    linked = set(links)
    assert linked == {Path(row.path).as_uri() for row in rows if row.mean is not None}
    assert browser.get_log("browser") == []


def test_the_page_fetches_nothing_and_fits_a_phone(browser, tmp_path, photo):
    page = tmp_path / "report.html"
    write_score_report(page, rows_below(tmp_path / "photos", photo, 9), ScoreScale(5))
    text = page.read_text()
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")
    with phone(browser, 360):
        load(browser, page)
        width = browser.execute_script("return document.documentElement.scrollWidth")
        size = browser.execute_script("return getComputedStyle(document.body).fontSize")
        in_a_row = browser.execute_script(
            "const tops = [...document.querySelectorAll('#grid li')].map((e) => e.offsetTop);"
            "return tops.filter((top) => top === tops[0]).length"
        )
    assert width <= 360
    assert size == "16px"
    assert in_a_row == 2


@pytest.mark.slow
def test_five_thousand_photos_are_no_burden(browser, tmp_path, photo):
    small = np.asarray(Image.fromarray(photo).resize((120, 80)))
    rows = rows_below(tmp_path / "photos", small, 5200)
    page = tmp_path / "report.html"
    write_score_report(page, rows, ScoreScale(5))
    started = time.monotonic()
    assert len(load(browser, page)) == 60
    assert time.monotonic() - started < 10
    assert count(browser) == "5000 of 5000 photos"
    assert "Photos scored: 5200, on a scale from 1 to 5, the best 5000 are shown." in (
        browser.find_element(By.TAG_NAME, "p").text
    )
    browser.execute_script("window.scrollTo(0, document.body.scrollHeight)")
    deadline = time.monotonic() + 10
    while len(scores(browser)) == 60 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(scores(browser)) > 60
    assert browser.get_log("browser") == []


def test_a_photo_that_is_gone_keeps_its_place_without_a_picture(browser, tmp_path):
    page = tmp_path / "report.html"
    write_score_report(page, [ScoreRow("gone.jpg", 3.0, 1.0, None, (0.0, 1.0))], ScoreScale(5))
    (card,) = load(browser, page)
    assert "3.00" in card.text
    assert "gone.jpg" in card.text
    assert card.find_elements(By.TAG_NAME, "img") == []
    assert browser.get_log("browser") == []


def test_no_photos_at_all_make_an_empty_page(browser, tmp_path):
    page = tmp_path / "report.html"
    write_score_report(page, [ScoreRow("b.jpg", status="error", error="empty")], ScoreScale(5))
    assert load(browser, page) == []
    assert browser.find_element(By.ID, "failed").is_displayed()
    assert browser.get_log("browser") == []


def test_the_report_of_a_run_is_read_on_a_phone_without_scrolling_the_page(browser, tmp_path):
    run = tmp_path / ("a_run_with_a_long_name_" * 3)
    png = tmp_path / "figure.png"
    Image.new("RGB", (1600, 700), "lightblue").save(png)
    metrics = {name: ["0.123 [0.100, 0.140]"] * 2 for name in "abcdefghij"}
    table = pd.DataFrame({"": ["model, mapped to the scale", "constant"], **metrics})
    parts = [Table(table, "A caption. " * 9), Figure(png, "A caption. " * 9)]
    page = write_section(run, "evaluation", "Evaluation on " + "name_" * 20, "Text. " * 50, parts)
    with phone(browser, 390):
        browser.get(page.as_uri())
        width, table_width, table_left, picture, caption = browser.execute_script(
            "const wide = document.querySelector('.wide'); wide.scrollLeft = 300;"
            "const box = (name) => document.querySelector(name).getBoundingClientRect();"
            "return [document.documentElement.scrollWidth, wide.scrollWidth, box('tbody td').left,"
            "        box('img').width, box('caption').right]"
        )
    assert width == 390
    assert table_width > 390  # it scrolls by itself, and the names of its rows stay
    assert 0 <= table_left < 30
    assert picture > 600
    assert caption <= 390


def test_a_name_that_is_not_utf_8_has_a_link_too(tmp_path, photo):
    name = os.fsdecode(b"\xff.png")
    (tmp_path / "photos").mkdir()
    Image.fromarray(photo).save(tmp_path / "photos" / name)
    row = ScoreRow(
        shown_path(tmp_path / "photos" / name), 3.0, 1.0, 25.0, (0.1, 0.2, 0.4, 0.2, 0.1)
    )
    page = tmp_path / "report.html"
    write_score_report(page, [row], ScoreScale(5))
    assert '"./photos/%FF.png"' in page.read_text()
