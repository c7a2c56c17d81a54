"""A real Prometheus scrapes a stand-alone signer, and an enclave with its watchdog by way of the host's proxy, while both sign and refuse:
each query of the dashboard has data, the alert rules are evaluated and tell of a conflict, and documents, dashboard and rules speak of the same metrics.

NS_DASHBOARD_PICTURE=docs/observability.svg has the picture of docs/observability.md made anew, after NS_DASHBOARD_SECONDS (90) of load."""
import contextlib
import itertools
import json
import math
import os
import pathlib
import re
import time
import xml.etree.ElementTree

import pytest
import requests
import yaml

from dashboard_picture import draw
from enclave_rig import Cloud
from harness import PATIENCE, free_port
from imds_server import ImdsServer, document
from prometheus_tools import Prometheus, promtool
from test_metrics import KEY, Signer, attestation, block, fork_info

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLACE = ROOT / "packaging/observability"
RULES, RULE_TESTS = PLACE / "alerts.yaml", PLACE / "alerts.test.yaml"
DASHBOARD = json.loads((PLACE / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ALERTS = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
VARIABLES = {"$job": ".*nitro-signer.*", "$instance": ".*", "$__rate_interval": "1m", "$__range": "1h"}
NAME = re.compile(r"\b(?:nitro_signer|eth2|http_bls|signing|process)_\w+")
PICTURE = os.environ.get("NS_DASHBOARD_PICTURE")
PICTURE_SECONDS = int(os.environ.get("NS_DASHBOARD_SECONDS") or 90)


def substituted(expression, **others):
    for name, value in {**VARIABLES, **others}.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


def names_in(expressions):
    """Metrics that are named, without what Prometheus appends to the parts of a histogram."""
    found = {name for expression in expressions for name in NAME.findall(expression)}
    return {re.sub(r"_(bucket|sum|count)$", "", name) if name != "signing_signers_loaded_count" else name for name in found}


def documented():
    theirs, ours = (ROOT / "docs/metrics.md").read_text().split("And these are ours", 1)
    host = (ROOT / "docs/watchdog.md").read_text().split("\n## Metrics\n", 1)[1].split("\n## ", 1)[0]
    return {prefix + name for prefix, text in (("", theirs), ("nitro_signer_", ours), ("nitro_signer_watchdog_", host))
            for row in re.findall(r"^\| (`.*?`) \|", text, re.MULTILINE) for name in re.findall(r"`(\w+)(?:\{\w+\})?`", row)}


# ---- what needs no signer ----

def test_promtool_takes_the_rules_and_their_tests(folder):
    status, said = promtool("check", "rules", RULES)
    assert status == 0 and f"SUCCESS: {len(ALERTS)} rules found" in said, said
    status, said = promtool("test", "rules", RULE_TESTS)
    assert status == 0, said
    (folder / RULES.name).write_text(RULES.read_text().replace("nitro_signer_keys_failed > 0", "nitro_signer_keys_failed > 1"))
    tests = yaml.safe_load(RULE_TESTS.read_text())
    tests["tests"] = [test for test in tests["tests"] if test["name"] == "NitroSignerKeysFailed"]
    (folder / RULE_TESTS.name).write_text(json.dumps(tests))
    status, said = promtool("test", "rules", RULE_TESTS.name, cwd=folder)
    assert status == 1 and 'alertname="NitroSignerKeysFailed"' in said, said


def test_every_alert_is_tested_firing_and_silent():
    tests = yaml.safe_load(RULE_TESTS.read_text())["tests"]
    for rule in ALERTS:
        own = [check for test in tests if test["name"] == rule["alert"] for check in test["promql_expr_test"]]
        fires = [check for check in own if any(f'alertname="{rule["alert"]}"' in sample["labels"] for sample in check["exp_samples"])]
        assert fires and any(not check["exp_samples"] for check in own), rule["alert"]
    healthy = next(test for test in tests if test["name"] == "all is well")
    assert all(check["exp_samples"] == [] for check in healthy["promql_expr_test"])
    assert names_in(rule["expr"] for rule in ALERTS) <= names_in(one["series"] for one in healthy["input_series"])


def anchors(path):
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_alert_says_what_it_means_and_where_to_read_on():
    page = (ROOT / "docs/observability.md").read_text()
    for rule in ALERTS:
        notes = rule["annotations"]
        path, _, anchor = notes["runbook_url"].partition("#")
        assert notes["summary"] and notes["description"] and rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
        assert anchor in anchors(ROOT / path), notes["runbook_url"]
        row = [line for line in page.splitlines() if line.startswith(f"| `{rule['alert']}` |")]
        assert len(row) == 1 and f"| {rule['labels']['severity']} |" in row[0] and f"({path.removeprefix('docs/')}#{anchor})" in row[0], rule["alert"]
    assert len(re.findall(r"^\| `NitroSigner", page, re.MULTILINE)) == len(ALERTS) == len({rule["alert"] for rule in ALERTS})


def test_dashboard_and_documents_speak_of_the_same_metrics():
    shown = names_in(target["expr"] for panel in PANELS for target in panel["targets"])
    assert shown == documented()
    assert names_in(rule["expr"] for rule in ALERTS) < documented()


def test_the_dashboard_is_one_that_grafana_imports():
    """Unique ids, no panel over another, each with a description, every selector by job and instance, every query of the chosen data source."""
    assert DASHBOARD["schemaVersion"] >= 36 and DASHBOARD["uid"] == "nitro-signer" and "id" not in DASHBOARD
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == ["datasource", "job", "instance"]
    cells = [(x, y) for panel in DASHBOARD["panels"] for place in [panel["gridPos"]]
             for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])]
    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel in PANELS:
        assert panel["title"] and panel["description"] and panel["type"] in ("timeseries", "stat")
        assert f"| {panel['title']} |" in (ROOT / "docs/observability.md").read_text(), panel["title"]
        for target in panel["targets"]:
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            selectors = re.findall(r"\{([^}]*)\}", target["expr"])
            assert selectors and all('job=~"$job",instance=~"$instance"' in selector for selector in selectors), target["expr"]


# ---- with signers under load ----

class Scene:
    """A stand-alone signer; an enclave, its watchdog with credentials of a metadata service, and a proxy that relays its metrics as a host's does."""

    def __init__(self, start, bin_dir, folder, imds):
        (folder / "alone").mkdir()
        self.alone = Signer(start, folder / "alone", "--metrics-enabled", "--metrics-port=0")
        cloud = Cloud(start, bin_dir, folder)
        cloud.begin()
        genuine = json.loads((folder / "cloud/credentials.json").read_text())
        imds.credentials = document(AccessKeyId=genuine["access_key_id"], SecretAccessKey=genuine["secret_access_key"], Token=genuine["token"])
        self.watchdog_port, self.enclave_port = free_port(), free_port()
        cloud.credentials = "imds"
        cloud.sources += [f"--imds-endpoint={imds.url}", f"--metrics=tcp:127.0.0.1:{self.watchdog_port}"]
        cloud.enclave_options = [f"--metrics=unix:{folder}/metrics"]
        self.enclave = cloud.enclave("a", seconds=180)
        start("nitro-signer-proxy", f"--inbound=tcp:127.0.0.1:{self.enclave_port}=unix:{folder}/metrics")
        self.jobs = {"nitro-signer": [self.alone.metrics_port, self.enclave_port], "nitro-signer-watchdog": [self.watchdog_port]}
        self._epochs, self.session = itertools.count(3), requests.Session()

    def load(self):
        """Some of everything: signed, refused, malformed, for nobody, in a batch, and by the enclave."""
        epoch = next(self._epochs)
        post = lambda message, path=f"/{KEY}": self.session.post(f"http://127.0.0.1:{self.alone.port}/api/v1/eth2/sign{path}", json=message,
                                                                timeout=30 * PATIENCE).status_code
        reveal = {"type": "RANDAO_REVEAL", "fork_info": fork_info(), "randao_reveal": {"epoch": str(epoch)}}
        assert [post(attestation(epoch - 1, epoch)), post(block(8 * epoch)), post(reveal)] == [200] * 3
        if epoch % 4 == 3:
            assert [post(attestation(epoch - 1, epoch, "45")), post(block(8 * epoch - 1)), post(block(8 * epoch, "67"))] == [412] * 3
            assert [post({"type": "ATTESTATION"}), post(reveal, f"/0x{'ab' * 48}")] == [400, 404]
            assert post({"identifiers": [KEY], "signing_request": reveal}, "") == 200
            assert self.enclave.attest().status_code == 200 and self.enclave.attest(block=0x45).status_code == 412


def without_data(server):
    """Panels and queries that Prometheus has no number for."""
    return [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]
            if not any(math.isfinite(float(one["value"][1])) for one in server.ask("query", query=substituted(target["expr"]))["result"])]


def firing(server):
    return {alert["labels"]["alertname"] for alert in server.ask("alerts")["alerts"] if alert["state"] == "firing"}


def drive(scene, server, done, seconds):
    deadline = time.monotonic() + seconds
    while True:
        for _ in range(8):
            scene.load()
            time.sleep(0.05)
        if not (left := done()):
            return
        assert time.monotonic() < deadline, (left, server.log_path.read_text())


def series_of(server, panel, seconds):
    """As Grafana would ask for a panel: at several times, or once."""
    now, found = time.time(), []
    for target in panel["targets"]:
        answer = server.ask("query_range", query=substituted(target["expr"], **{"$__rate_interval": "10s"}), start=now - seconds, end=now,
                            step=max(1, seconds // 90))
        for one in answer["result"]:
            legend = re.sub(r"\{\{(\w+)\}\}", lambda match: one["metric"].get(match[1], ""), target["legendFormat"]).strip()
            points = [(at, float(value)) for at, value in one["values"] if math.isfinite(float(value))]
            found += [(legend, points)] if points else []
    return found


@pytest.fixture
def scene(start, bin_dir, folder):
    with contextlib.closing(ImdsServer()) as imds:
        yield Scene(start, bin_dir, folder, imds)


def test_every_query_has_data_and_every_metric_is_there(scene, folder):
    with contextlib.closing(Prometheus(folder, scene.jobs, RULES)) as server:
        wanted = {"NitroSignerSlashingConflict", "NitroSignerSlashingRefused"}
        drive(scene, server, lambda: without_data(server) or wanted - firing(server), 90 * PATIENCE)
        assert server.ask("query", query=substituted(PANELS[6]["targets"][0]["expr"]).replace("signatures_total", "signature_total"))["result"] == []
        keys = {one["metric"]["instance"]: one["value"][1] for one in server.ask("query", query="signing_signers_loaded_count")["result"]}
        assert keys == {f"127.0.0.1:{scene.alone.metrics_port}": "1", f"127.0.0.1:{scene.enclave_port}": "2"}
        assert names_in(server.ask("label/__name__/values")) == documented()
        rules = [rule for group in server.ask("rules")["groups"] for rule in group["rules"]]
        assert len(rules) == len(ALERTS) and {rule["health"] for rule in rules} == {"ok"}, rules
        status, said = promtool("check", "metrics", text=requests.get(f"http://127.0.0.1:{scene.watchdog_port}/metrics", timeout=20).text)
        assert (status, said) == (0, ""), said
        if PICTURE:
            began = time.monotonic()
            drive(scene, server, lambda: time.monotonic() - began < PICTURE_SECONDS, PICTURE_SECONDS + 60)
        found = {panel["id"]: series_of(server, panel, PICTURE_SECONDS if PICTURE else 20) for panel in PANELS}
    picture = "\n".join(draw(DASHBOARD, found)) + "\n"
    written = {element.text for element in xml.etree.ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")}
    assert {panel["title"] for panel in PANELS} | {"ATTESTATION", "double_vote"} <= written
    if PICTURE:
        pathlib.Path(PICTURE).write_text(picture)
