"""The suite of make soak-load: a short run of it is green, a run of a signer that forgets is red, and each judge sees what it is
there to see. Longer runs have nothing else in them."""
import http.server
import json
import pathlib
import ssl
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "soak"))
import soak_judges  # noqa: E402
import soak_report  # noqa: E402
import soak_run  # noqa: E402
from soak_chaos import Chaos, Deed  # noqa: E402
from soak_common import ABSENT, CUTS, ERRORS, Act  # noqa: E402
from soak_generator import Generator  # noqa: E402
from soak_sampler import Sample  # noqa: E402
from soak_standalone import CHAIN, Standalone  # noqa: E402

from harness import PATIENCE, free_port  # noqa: E402

KEY = "0x97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
SHORT_SECONDS, SEED = 6, 3


def test_a_short_run_is_green_and_reported():
    one = soak_run.run(lambda folder: Standalone(folder, keys=16), SHORT_SECONDS, SEED, connections=8, quiet_seconds=1)
    assert one.wrong == []
    text = soak_report.as_text(one.result)
    assert one.result["oracle"]["signed"] > 0 and one.result["verified"] > 0 and "RED" not in text, text
    assert json.loads(json.dumps(one.result))["acts"] and soak_report.as_svg([one.result]).count("<polyline") >= 5


def test_a_signer_that_forgets_is_red():
    one = soak_run.run(lambda folder: Standalone(folder, keys=4, protected=False), 2, SEED, only=("process stopped and continued",), connections=8,
                       least=1, quiet_seconds=0.2)
    assert any(complaint.startswith("nothing slashable is signed: ") for complaint in one.wrong), one.wrong


# ---- the load generator, before a signer that is not one ----

GOOD = {"status": 200, "body": json.dumps({"signature": "0x" + "ab" * 96}, separators=(",", ":")).encode()}


@pytest.fixture
def asked(folder):
    """asked(answers) has a server give these answers, one a request, and for ever the last; what the generator said of them."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem"], cwd=folder, check=True, capture_output=True)
    servers = []

    def run(answers, steer=lambda generator: None):
        left = list(answers)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                answer = left.pop(0) if len(left) > 1 else left[0]
                time.sleep(answer.get("after", 0.02))
                if answer.get("closes"):
                    self.close_connection = True
                    return
                head = f"HTTP/1.1 {answer['status']} Said\r\nContent-Length: {len(answer['body'])}\r\n\r\n".encode()
                self.wfile.write((head + answer["body"]) * answer.get("times", 1))  # one record of TLS: what is too much comes with the rest

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        servers.append(server)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        generator = Generator(folder, server.server_port, folder / "cert.pem", [KEY], CHAIN, seed=1, connections=1, answer_seconds=1, sample_one_in=1)
        deadline = time.monotonic() + 60 * PATIENCE
        while (len(left) > 1 or len(generator.seconds) < 2) and time.monotonic() < deadline:
            time.sleep(0.05)
        steer(generator)
        generator.end()
        return generator

    yield run
    for server in servers:
        server.shutdown()
        server.server_close()


BAD = [({"closes": True}, "cut", 0), ({**GOOD, "after": 2}, "lost", 0), ({**GOOD, "times": 2}, "extra", 200), ({**GOOD, "status": 400}, "unexpected", 400),
       ({**GOOD, "status": 418}, "unexpected", 418), ({**GOOD, "status": 503}, "refused", 503), ({**GOOD, "status": 404}, "refused", 404),
       ({**GOOD, "body": b'{"signature":"0x1234"}'}, "malformed", 200)]


def test_an_answer_that_is_not_as_it_should_be_is_told(asked):
    generator = asked([GOOD, *(one for bad, _, _ in BAD for one in (bad, GOOD)), {**GOOD, "status": 412}])
    told = {(one["kind"], one["status"]) for one in generator.events}
    assert {(kind, status) for _, kind, status in BAD} <= told
    assert len(soak_judges.unexcused(generator.events, [])) == len(generator.events)
    assert soak_judges.unaccounted(generator.seconds) == [] and generator.verdict["crossed"] > 0


def test_orders_that_come_together_are_both_carried_out(asked):
    def steer(generator):
        generator._tell("pause\ngo\npause")
        assert generator._paused.wait(60 * PATIENCE)
        generator._paused.clear()
        generator._tell("go\npause")
        assert generator._paused.wait(60 * PATIENCE)

    asked([GOOD], steer)


# ---- the judges ----

def event(kind="cut", began=10.0, at=11.0, status=0, key=KEY):
    return {"kind": kind, "began": began, "at": at, "status": status, "bytes": 0, "key": key}


@pytest.mark.parametrize("seen, act, excused", [
    (event(), Act("kill", 10.5, 12, (CUTS,)), True),
    (event(), Act("kill", 11.5, 12, (CUTS,)), False),
    (event(), Act("kill", 5, 9, (CUTS,)), False),
    (event(), Act("kill", 5, 9, (CUTS,), grace=2), True),
    (event(), Act("kill", 5, 9, (ERRORS,), grace=2), False),
    (event("lost"), Act("kill", 5, 20, (CUTS, ERRORS, ABSENT)), False),
    (event("extra"), Act("kill", 5, 20, (CUTS, ERRORS, ABSENT)), False),
    (event("refused", status=500), Act("store", 5, 20, (ERRORS,)), True),
    (event("refused", status=503), Act("kill", 5, 20, (CUTS,)), False),
    (event("refused", status=503, at=20.1), Act("kill", 5, 20, (CUTS,)), True),
    (event("refused", status=500, at=15.1), Act("kill", 5, 20, (CUTS,)), True),
    (event("refused", status=404), Act("store", 5, 20, (ERRORS,)), False),
    (event("refused", status=404), Act("delete", 5, 20, (ABSENT,), keys=frozenset({KEY})), True),
    (event("refused", status=404), Act("delete", 5, 20, (ABSENT,), keys=frozenset({"0x00"})), False)])
def test_only_a_deed_that_could_be_the_cause_excuses(seen, act, excused):
    assert (soak_judges.unexcused([seen], [act]) == []) == excused


def second(sent, answered, cut=0, lost=0):
    return {"sent": sent, "statuses": {"200": answered}, "cut": cut, "lost": lost}


def test_every_request_is_accounted_for():
    assert soak_judges.unaccounted([second(10, 8), second(10, 10, cut=1, lost=1)]) == []
    assert soak_judges.unaccounted([second(10, 8), second(10, 10, cut=1)])


@pytest.mark.parametrize("name", ["doubles", "surrounds", "unsteady", "crossed"])
def test_the_verdict_of_the_oracle_counts(name):
    good = {"signed": 5, "doubles": 0, "surrounds": 0, "unsteady": 0, "crossed": 0}
    assert soak_judges.slashable(good) == [] and soak_judges.slashable({**good, name: 1}) and soak_judges.slashable({**good, "signed": 0})


def test_what_is_above_the_record_is_told():
    assert soak_judges.uncovered({KEY: (5, 6, 7)}, {KEY: (5, 6, 7)}) == []
    for record in ({}, {KEY: (4, 6, 7)}, {KEY: (5, 5, 7)}, {KEY: (5, 6, 6)}):
        assert len(soak_judges.uncovered({KEY: (5, 6, 7)}, record)) >= 1


def life(seconds, per_second, bytes_per_answer, noise=0):
    return {("keeper", 1): [Sample(float(i), i * per_second, (20 << 20) + i * per_second * bytes_per_answer + (i % 7) * noise, 9, 2) for i in range(seconds)]}


@pytest.mark.parametrize("seconds, per_second, bytes_per_answer, is_red", [
    (120, 2000, 100, True), (300, 300, 100, True), (1800, 1000, 100, True), (1800, 1000, 16, True),
    (120, 2000, 0, False), (1800, 2000, 0, False), (1800, 2000, 2, False)])
def test_a_leak_of_a_hundred_bytes_an_answer_is_growth(seconds, per_second, bytes_per_answer, is_red):
    assert bool(soak_judges.growing(life(seconds, per_second, bytes_per_answer, noise=1 << 18))) == is_red


def test_what_stays_open_is_told():
    before = {"front": (9, 1), "keeper": (7, 3)}
    nothing = [{}] * 3
    assert soak_judges.left_over([before, {"front": (9, 1), "keeper": (6, 3)}, before], nothing) == []
    for after in ({"front": (10, 1), "keeper": (7, 3)}, {"front": (9, 1), "keeper": (7, 4)}, {"front": (9, 1)}):
        assert len(soak_judges.left_over([before, after, before], nothing)) == 1
    more, kept = {"front": (11, 1), "keeper": (7, 3)}, [{"front": 4}, {"front": 6}, {"front": 2}]
    assert soak_judges.left_over([before, more, before], kept) == []
    assert len(soak_judges.left_over([before, before, more], kept)) == 1
    assert len(soak_judges.left_over([before, {"front": (12, 1), "keeper": (7, 3)}, before], kept)) == 1


def test_every_deed_has_its_turn_in_an_order_of_the_seed():
    def done(seed):
        names = []
        deeds = [Deed(name, lambda _, act: names.append(act.name)) for name in "abcdef"] + [Deed("rare", lambda _, act: names.append(act.name), every=3)]
        chaos = Chaos(seed, deeds)
        for _ in range(19):
            chaos.do(chaos._next())
        return names

    one = done(1)
    assert one == done(1) != done(2) and all(one.count(name) == 3 for name in "abcdef") and one.count("rare") == 1
