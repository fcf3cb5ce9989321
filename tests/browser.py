"""The MLflow UI and other pages in a browser that nobody sees; known by the words on them, not by how they are built.

`PYTHONPATH=src python tests/browser.py` takes the pictures in docs/ of this repository's quickstart.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 90  # seconds; pages take two or three, and many more where other work keeps the processor busy
BROWSERS, DRIVERS = ("chromium", "chromium-browser", "google-chrome"), ("chromedriver",)
DRAWN = """
    return [...document.querySelectorAll("div")].filter(each => each.data && each.layout).flatMap(each => each.data)
        .filter(line => line.x && line.y).map(line => [line.name || "", Array.from(line.x), Array.from(line.y)])
"""


def missing() -> str | None:
    """What there is no browser to drive for want of; None where nothing is missing."""
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "selenium is not installed"
    for names in (BROWSERS, DRIVERS):
        if not any(map(shutil.which, names)):
            return f"there is no {' or '.join(names)}"
    return None


@contextmanager
def mlflow_ui(store: Path) -> Iterator[str]:
    """The UI on a SQLite store; its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{store}", "--workers", "1"]
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (store.parent / "mlflow-ui.log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)], env=environment, stdout=log, stderr=log
        )
    address = f"http://127.0.0.1:{port}"
    try:
        until(lambda: _answers(f"{address}/health"), f"a server at {address}")
        yield address
    finally:
        server.terminate()
        server.wait(PATIENCE)


def _answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=5).ok
    except requests.RequestException:
        return False


class Browser:
    """One window on one MLflow UI."""

    def __init__(self, driver: Any, address: str) -> None:
        self.driver, self.address = driver, address

    @classmethod
    @contextmanager
    def on(cls, address: str, width: int = 1300, height: int = 2400, *, offline: bool = False) -> Iterator["Browser"]:
        """Open a window; charts are drawn when they come into view, so it is a high one."""
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        for option in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
            options.add_argument(option)
        # As with a mouse: without one, the tools of a chart always lie on it.
        options.add_argument("--blink-settings=primaryHoverType=2,availableHoverTypes=2")
        options.add_argument(f"--window-size={width},{height}")
        if offline:
            options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND")
        options.binary_location = next(filter(None, map(shutil.which, BROWSERS)))
        driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which(*DRIVERS)))
        try:
            yield cls(driver, address)
        finally:
            driver.quit()

    def open(self, page: str, *words: str) -> None:
        """Go to a page, afresh even from one that differs only behind the `#`, and wait for the words."""
        self.driver.get("about:blank")
        self.driver.get(f"{self.address}/#{page}")
        self.wait_for(*words)

    def text(self) -> str:
        """All that the page shows."""
        return str(self.driver.execute_script("return document.body.innerText")).replace("\xa0", " ")

    def wait_for(self, *words: str) -> None:
        """Wait until the page shows all of the words."""
        until(lambda: all(each in self.text() for each in words), f"{words} on the page", self.text)

    def press(self, label: str, number: int = 0) -> None:
        """Press what carries a label, as its text or as what a screen reader says; of several the `number`-th."""
        from selenium.webdriver.common.by import By

        words = f"normalize-space()='{label}' or contains(@aria-label, '{label}')"
        path = f"//*[self::button or self::a or self::input or self::label or @role][{words}]"

        def found() -> list[Any]:
            return list(self.driver.find_elements(By.XPATH, path))

        until(lambda: len(found()) > number, f"{label!r} to press", self.text)
        self.driver.execute_script("arguments[0].click()", found()[number])

    def fold(self, section: str) -> None:
        """Fold a section of charts unless it is folded."""
        from selenium.webdriver.common.by import By

        path = f"//*[@aria-expanded and starts-with(normalize-space(), '{section}')]"
        until(lambda: self.driver.find_elements(By.XPATH, path), f"the section {section!r}", self.text)
        header = self.driver.find_element(By.XPATH, path)
        if header.get_attribute("aria-expanded") == "true":
            self.driver.execute_script("arguments[0].click()", header)

    def write(self, field: str, text: str) -> None:
        """Write into the field that asks for something, such as "Search metric charts", in place of what is there."""
        from selenium.webdriver.common.by import By
        from selenium.webdriver.common.keys import Keys

        entry = self.driver.find_element(By.XPATH, f"//input[@placeholder='{field}']")
        entry.send_keys(Keys.CONTROL + "a" + Keys.NULL, text)

    def lines(self) -> list[tuple[str, list[float], list[float]]]:
        """What the page's charts draw: name, x and y of every line and bar."""
        return [tuple(line) for line in self.driver.execute_script(DRAWN)]

    def widths_of_pictures(self) -> list[int]:
        """Of all pictures that have arrived, pixels."""
        return list(self.driver.execute_script("return [...document.images].map(each => each.naturalWidth)"))

    def picture(self, file: Path, height: int) -> None:
        """Save what the window shows."""
        width = self.driver.get_window_size()["width"]
        self.driver.set_window_size(width, height)
        time.sleep(3)  # for charts to take their new places; nothing on the page says when
        self.driver.save_screenshot(str(file))


def until(true: Any, what: str, seen: Any = str) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, f"waited {PATIENCE} s for {what}; there is:\n{seen()}"
        time.sleep(0.2)


def take_pictures(store: Path, folder: Path) -> None:
    """The curves, the comparison, a figure and a registered model of a store's quickstart, for README and docs."""
    with mlflow_ui(store) as address, Browser.on(address) as browser:
        browser.open("/experiments/1/runs?compareRunsMode=CHART", "quickstart/baseline", "quickstart/modified")
        browser.press("Close")  # the assistant's column
        browser.write("Search metric charts", "^(train_accuracy|test_accuracy|test_loss)$")
        browser.press("Toggle sidebar")
        until(lambda: sum(len(x) > 1 for _, x, _ in browser.lines()) >= 6, "three charts of two curves", browser.text)
        browser.picture(folder / "mlflow-curves.png", 830)
        browser.driver.set_window_size(1300, 2400)
        browser.open("/experiments/1/runs?compareRunsMode=TABLE", "quickstart/baseline", "quickstart/modified")
        browser.press("Select all runs")
        browser.press("Compare")
        browser.wait_for("Comparing 2 Runs", "model.stem.kernel")
        browser.press("Visualizations")
        browser.press("Show diff only")
        browser.picture(folder / "mlflow-compare.png", 1200)
        run_id = re.findall(r"\b[0-9a-f]{32}\b", browser.text())[1]
        figure = f"/experiments/1/runs/{run_id}/artifacts/evaluate/accuracy.png"
        browser.open(figure, "evaluate/accuracy.png")
        until(lambda: any(width > 500 for width in browser.widths_of_pictures()), "the figure", browser.text)
        browser.picture(folder / "mlflow-figures.png", 880)
        browser.open("/models/quickstart-modified", "Version 1", "@ champion")
        browser.picture(folder / "mlflow-registry.png", 750)


if __name__ == "__main__":
    take_pictures(ROOT / "mlflow.db", ROOT / "docs")
