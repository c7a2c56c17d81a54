"""The watchdog's status page in a real browser, headless Chromium, while a real enclave on a software security module signs and refuses: the words and
charts have the right numbers, nothing on the console, no policy violated, nothing from elsewhere, light and dark, with and without script, and stale
when the watchdog is gone.

NS_STATUS_PICTURE=docs/status-page.png has the picture of docs/status-page.md made anew, after NS_STATUS_SECONDS (90) of load."""
import contextlib
import itertools
import json
import os
import pathlib
import re
import time

import pytest
import requests

from chromium import Browser, smaller
from enclave_rig import MAINNET_GENESIS, Cloud, eventually
from harness import PATIENCE, free_port
from imds_server import ImdsServer, document

PICTURE = os.environ.get("NS_STATUS_PICTURE")
PICTURE_SECONDS = int(os.environ.get("NS_STATUS_SECONDS") or 90)
KEYS = 24 if PICTURE else 2
CHARTS = ("chart-signed", "chart-refused", "chart-latency")


class Scene:
    """An enclave under its watchdog with credentials of a metadata service, whose status page reads the enclave's metrics."""

    def __init__(self, start, bin_dir, folder, imds):
        self.cloud = cloud = Cloud(start, bin_dir, folder, num_keys=KEYS)
        cloud.begin()
        genuine = json.loads((folder / "cloud/credentials.json").read_text())
        imds.credentials = document(AccessKeyId=genuine["access_key_id"], SecretAccessKey=genuine["secret_access_key"], Token=genuine["token"])
        self.secrets = [genuine["secret_access_key"], genuine["token"], *cloud.keys]
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        cloud.credentials = "imds"
        cloud.sources += [f"--imds-endpoint={imds.url}", f"--status-page=tcp:127.0.0.1:{self.port}", f"--enclave-metrics=unix:{folder}/metrics",
                          f"--sample-interval={10 if PICTURE else 1}"]
        cloud.enclave_options = [f"--metrics=unix:{folder}/metrics"]
        self.enclave = cloud.enclave("a", seconds=180)
        self._epochs, self._session = itertools.count(400000), requests.Session()

    def sign(self, kind, member, body, key=0):
        message = {"type": kind, member: body, "fork_info": {"fork": {"previous_version": "0x00000000", "current_version": "0x00000000", "epoch": "0"},
                                                             "genesis_validators_root": MAINNET_GENESIS}}
        identifier = key if isinstance(key, str) else self.cloud.keys[key]
        return self.enclave.session.post(f"https://localhost:{self.enclave.port}/api/v1/eth2/sign/{identifier}", json=message,
                                         timeout=30 * PATIENCE).status_code

    def duties(self, attesters, others=0, stale=0, unknown=0):
        """Attestations of so many keys, so many other duties, messages that are refused, and keys that nobody knows."""
        epoch = next(self._epochs)
        answers = [self.enclave.attest(key, source=epoch - 1, target=epoch).status_code for key in range(attesters)]
        for i in range(others):
            answers += [self.sign("SYNC_COMMITTEE_MESSAGE", "sync_committee_message", {"beacon_block_root": "0x" + "77" * 32, "slot": str(32 * epoch)}, i),
                        self.sign("AGGREGATION_SLOT", "aggregation_slot", {"slot": str(32 * epoch)}, i)]
        answers += [self.sign("RANDAO_REVEAL", "randao_reveal", {"epoch": str(epoch)})] * bool(others)
        assert answers == [200] * len(answers)
        assert [self.enclave.attest(0, source=epoch - 3, target=epoch - 2).status_code for _ in range(stale)] == [412] * stale
        assert [self.sign("RANDAO_REVEAL", "randao_reveal", {"epoch": "1"}, "0x" + "ab" * 48) for _ in range(unknown)] == [404] * unknown

    def get(self, path="/status.json"):
        return requests.get(self.address + path, timeout=30 * PATIENCE)

    def status(self):
        return self.get().json()


@pytest.fixture
def scene(start, bin_dir, folder):
    with contextlib.closing(ImdsServer()) as imds:
        yield Scene(start, bin_dir, folder, imds)


@pytest.fixture
def browser(folder):
    with Browser(folder) as one:
        yield one


def word(name):
    return f"document.querySelector('[data-word={name}]').textContent"


def drawn(chart):
    """What the chart says of itself, and how much is drawn."""
    return f"""(() => {{ const svg = document.querySelector('#{chart} svg');
        return {{label: svg.getAttribute('aria-label'), role: svg.getAttribute('role'), lines: svg.querySelectorAll('path.line, circle.bar').length,
                 bars: svg.querySelectorAll('rect.bar').length, texts: [...svg.querySelectorAll('text')].map((text) => text.textContent)}}; }})()"""


def rows(selector):
    return f"[...document.querySelectorAll('{selector} tbody tr')].map((row) => [...row.children].map((cell) => cell.textContent))"


def test_what_a_person_sees(scene, browser):
    scene.duties(KEYS, others=1, stale=2, unknown=1)
    eventually(lambda: (scene.status()["hour"] or {}).get("wrong"))
    hour = scene.status()["hour"]
    assert (hour["signed"], hour["refused"], hour["wrong"]) == (KEYS + 3, 2, 1)
    browser.open(scene.address + "/")
    browser.until("document.querySelectorAll('figure svg').length === 3")
    browser.until(f"{word('rate_note')} === '{KEYS + 3} in the last hour'")
    browser.until(f"{word('keys')} === '{KEYS}'")  # comes with the enclave's next status, after its figures
    shown = {name: browser.evaluate(word(name)) for name in scene.status()["page"] if name != "level"}
    assert (shown["headline"], shown["keys"], shown["refused"], shown["store"], shown["network"]) == ("Serving", str(KEYS), "2", "Working", "mainnet")
    assert shown["pcr0"] == scene.status()["enclave"]["pcr0"] and shown["refused_note"] == "in the last hour; 0 failed, 1 asked wrongly"
    assert browser.evaluate("document.getElementById('condition').dataset.level") == "ok" and browser.evaluate("document.title") == "nitro-signer: Serving"
    assert not browser.evaluate("document.getElementById('problems').textContent")
    signed, refused, latency = (browser.evaluate(drawn(chart)) for chart in CHARTS)
    assert {one["role"] for one in (signed, refused, latency)} == {"img"} and signed["label"].startswith("signed: last ")
    assert re.match(r"refused: last \d, most \d; failed: last 0, most 0; asked wrongly: last \d, most 1; ", refused["label"]) and refused["bars"] >= 2
    assert re.match(r"p99: last [\d.]+ m?s, most [\d.]+ m?s; p50: ", latency["label"]) and latency["lines"] >= 2 and signed["lines"] >= 1
    assert "0" in signed["texts"] and any(re.fullmatch(r"\d\d:\d\d(:\d\d)?", text) for text in signed["texts"])
    types = dict(browser.evaluate(rows("#signatures")))
    assert types == {"Attestation": str(KEYS), "Sync committee message": "1", "Aggregation slot": "1", "Randao reveal": "1"}
    assert dict(browser.evaluate(rows("#answers"))) == {"Signed": str(KEYS + 3), "Unknown key": "1", "Refused: source below watermark": "2"}
    assert [row[1] for row in browser.evaluate(rows("#events"))] == ["Serving", "Enclave started"]
    tables_add_up(browser, hour)
    assert browser.complaints == [] and browser.requests and all(url.startswith(scene.address + "/") for url in browser.requests)
    page = browser.evaluate("document.documentElement.outerHTML")
    assert not [secret for secret in scene.secrets if secret.removeprefix("0x") in page]


def tables_add_up(browser, hour):
    """The tables beside the charts, which are made when they are opened, have what the charts have."""
    browser.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    browser.until("document.querySelectorAll('figure table').length === 3")
    found = browser.evaluate(rows("#chart-refused"))
    assert sum(int(row[1]) for row in found if row[1] != "-") == hour["refused"] and sum(int(row[3]) for row in found if row[3] != "-") == hour["wrong"]


def looks(scene, browser):
    """Light, dark, narrow, and the last day."""
    browser.open(scene.address + "/")
    browser.until("document.querySelectorAll('figure svg').length === 3")
    grounds = []
    for scheme in ("light", "dark"):
        browser.prefer(scheme)
        grounds.append(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(244, 245, 247)", "rgb(13, 17, 22)"]
    assert browser.evaluate("document.querySelector('[data-span=fine]').textContent") == ("Last hour" if PICTURE else "Last 6 minutes")
    browser.evaluate("document.querySelector('[data-span=coarse]').click()")
    assert browser.evaluate("[...document.querySelectorAll('#spans button')].map((one) => one.getAttribute('aria-pressed'))") == ["false", "true"]
    assert re.search(r"; \d samples?$", browser.evaluate(drawn("chart-signed"))["label"]) and browser.complaints == []
    for width in (1200, 600, 360):
        browser.size(width, 800)
        assert browser.evaluate("document.documentElement.scrollWidth") <= width, width


def policy_is_in_force(scene, browser):
    """Whatever a bug of the page let through: no script inline, none that is made of text, nothing from elsewhere."""
    browser.open(scene.address + "/")
    browser.evaluate("window.broken = []; document.addEventListener('securitypolicyviolation', (event) => broken.push(event.effectiveDirective))")
    browser.evaluate("""(() => { const image = document.createElement('img'); image.src = 'http://127.0.0.1:1/x.png'; document.body.append(image);
        const style = document.createElement('style'); style.textContent = 'body { color: red }'; document.head.append(style);
        try { document.body.innerHTML = '<b>'; } catch { window.refused = true; }
        fetch('http://127.0.0.1:1/').catch(() => {}); })()""")
    browser.until("['img-src', 'style-src-elem', 'connect-src', 'require-trusted-types-for'].every((name) => broken.includes(name))")
    assert browser.evaluate("window.refused") is True


def without_script(scene, browser):
    eventually(lambda: scene.status()["keys"])
    browser.ask("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(scene.address + "/")
    assert (browser.evaluate(word("headline")), browser.evaluate(word("keys"))) == ("Serving", str(KEYS))
    assert "need this page's script" in browser.evaluate("document.body.innerText") and browser.complaints == []
    browser.ask("Emulation.setScriptExecutionDisabled", value=False)


def test_looks_policy_and_no_script(scene, browser):
    looks(scene, browser)
    browser.size(1100, 900)
    assert browser.picture().startswith(b"\x89PNG\r\n\x1a\n")
    without_script(scene, browser)
    policy_is_in_force(scene, browser)


def test_a_restart_and_a_watchdog_that_is_gone(scene, browser):
    browser.open(scene.address + "/")
    browser.until("document.querySelectorAll('figure svg').length === 3")
    scene.enclave.kill()
    browser.until(f"{word('starts')} === '2, of which 1 ended' && {word('headline')} === 'Serving'")
    events = [row[1] for row in browser.evaluate(rows("#events"))][:3]
    # Of its end and that of its connection either may be seen first.
    assert events[:2] == ["Serving", "Enclave started"] and events[2] in ("Enclave ended (died)", "Enclave ended (lost)")
    assert browser.complaints == [] and browser.evaluate("document.getElementById('stale').hidden")
    assert scene.enclave.watchdog.terminate() == 0
    browser.until("!document.getElementById('stale').hidden && document.getElementById('stale').textContent.startsWith('Stale: ')")
    assert browser.evaluate("document.getElementById('condition').dataset.level") == "stale"


# ---- the picture of the documentation ----

def live(scene, seconds):
    """Slots of twelve seconds: attesters, now and then what is refused, and in the middle an enclave that dies."""
    began, killed = time.monotonic(), False
    for slot in itertools.count():
        at = began + 12 * slot
        time.sleep(max(0, at - time.monotonic()))
        if time.monotonic() - began > seconds:
            return
        scene.duties(KEYS - 5 * (slot % 4), slot % 3, stale=3 * (slot % 23 == 22), unknown=2 * (slot % 41 == 40))
        if not killed and time.monotonic() - began > seconds / 2:
            scene.enclave.kill()
            killed = True


@pytest.mark.skipif(not PICTURE, reason="NS_STATUS_PICTURE says where the picture of the documentation goes")
def test_the_picture_of_the_documentation(scene, folder):
    live(scene, PICTURE_SECONDS)
    with Browser(folder, width=1100) as browser:
        browser.open(scene.address + "/")
        browser.until("document.querySelectorAll('figure svg').length === 3")
        pathlib.Path(PICTURE).write_bytes(smaller(browser.picture()))
