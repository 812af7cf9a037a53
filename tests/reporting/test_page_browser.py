"""The pages in a real browser. Skipped, saying so, where there is no Chromium with its driver."""

import json
import shutil
import time

import pytest

from jaxgan.reporting.page.comparison import comparison_page
from jaxgan.reporting.page.run import run_page

NAMES = "chromium", "chromium-browser", "google-chrome"
CHROMIUM = next((path for path in map(shutil.which, NAMES) if path), None)


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium that logs its console and every request."""
    driver = shutil.which("chromedriver")
    if CHROMIUM is None or driver is None:
        pytest.skip("no chromium with its chromedriver: Debian's chromium and chromium-driver, say")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chromium = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield chromium
    chromium.quit()


@pytest.fixture
def opened(browser, tmp_path):
    """`opened(html, width, dark)` -> the browser on that page, from a file."""
    def open_page(html, width=1280, dark=False):
        path = tmp_path / "page.html"
        path.write_text(html, encoding="utf-8")
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})
        for kind in ("browser", "performance"):
            browser.get_log(kind)
        browser.get(path.as_uri())
        return browser
    return open_page


def requests(browser):
    """Addresses that the page asked for, itself aside."""
    sent = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    found = [each["params"]["request"]["url"] for each in sent if each["method"] == "Network.requestWillBeSent"]
    return [url for url in found if not url.startswith("data:") and not url.endswith("/page.html")]


def value(browser, script):
    return browser.execute_script(f"return {script}")


def paper(browser):
    """How light the page is, 0 to 255."""
    color = value(browser, "getComputedStyle(document.body).backgroundColor")
    return int(color.partition("(")[2].split(",")[0])


def test_everything_on_the_page_works(opened, portrait):
    """Slider, play, curves with their values, theme, explorer by hand and by key; no error, and no request leaves."""
    page = opened(run_page(portrait()))
    assert value(page, "document.querySelectorAll('.chart svg').length") == value(
        page, "document.querySelectorAll('[data-chart]').length") > 6
    image = "document.querySelector('[data-frames] img')"
    last = value(page, f"{image}.src")
    page.execute_script("const range = document.querySelector('[data-frames] input'); range.value = 1;"
                        "range.dispatchEvent(new Event('input'));")
    assert value(page, "document.querySelector('[data-frames] output').textContent") == "step 10"
    assert value(page, f"{image}.src") not in (last, "")
    assert value(page, "[...document.images].every((image) => image.complete && image.naturalWidth > 0)")

    page.execute_script("const svg = document.querySelector('#curves svg'), box = svg.getBoundingClientRect();"
                        "svg.dispatchEvent(new PointerEvent('pointermove', {clientX: box.left + box.width / 2}));")
    legend = value(page, "document.querySelector('#curves .legend').textContent")
    assert "k images" in legend
    assert "d/loss1." in legend

    assert paper(page) > 200
    page.find_element("id", "theme").click()
    assert paper(page) < 60
    page.execute_script("localStorage.clear()")

    state = ("document.querySelector('.here').style.left + document.querySelector('canvas').toDataURL().length + "
             "document.querySelector('.explorer output').textContent")
    before = value(page, state)
    assert "0 σ along the first direction" in before
    page.find_element("css selector", ".map").send_keys("\ue014")  # arrow to the right
    after = value(page, state)
    assert "0.8 σ along the first direction, 0 σ" in after
    sheet = value(page, "document.querySelector('.map img').src")
    page.execute_script("const choice = document.querySelector('[name=variant]'); choice.value = 1;"
                        "choice.dispatchEvent(new Event('change'));")
    assert value(page, "document.querySelector('.map img').src") != sheet
    assert not page.get_log("browser")
    assert not requests(page)


@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_wider_than_a_phone(opened, portrait, dark):
    run = portrait()
    for html in (run_page(run), comparison_page([run, run._replace(name="other")])):
        page = opened(html, 390, dark)
        assert value(page, "document.documentElement.scrollWidth") == 390
        assert (paper(page) < 60) == dark
        assert not page.get_log("browser")


def test_hostile_names_run_nothing(opened, portrait):
    """Whatever a run is called, and whatever its texts hold: with our escaping, and without it by the page's rules."""
    hostile = "</script><script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"
    run = portrait(name=hostile, notes=[hostile])
    page = opened(run_page(run))
    assert value(page, "document.querySelector('h1').textContent") == hostile
    assert value(page, "document.title") == hostile
    page.execute_script("document.querySelector('main').innerHTML = arguments[0]", hostile)
    time.sleep(0.1)
    assert value(page, "document.title") == hostile


def test_a_long_run_is_there_within_a_second(opened, long_page):
    page = opened(long_page)
    timing = "performance.getEntriesByType('navigation')[0]"
    assert value(page, f"{timing}.loadEventEnd - {timing}.startTime") < 1000
