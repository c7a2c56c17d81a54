"""Two parts of make bench: HTTP/2 against HTTP/1.1, and /healthcheck while signing takes every core.

Both versions are asked by h2load, in turns: 256 requests under way, on one connection of HTTP/2 and on as many connections of
HTTP/1.1 as requests. RANDAO reveals, which no store has to record. The prober of /healthcheck keeps one connection and shares
the cores with the signer and the load generator; it goes before them where it may (SCHED_FIFO), so that the wait for a core is
the signer's and not its own. Beside its latency stands how late it wakes from a sleep, which is what it adds all the same."""
import contextlib
import http.client
import json
import os
import re
import shutil
import ssl
import statistics
import subprocess
import threading
import time

from bench_common import NotHere, line, spread

KEYS, ROUNDS = 1000, 3
UNDER_WAY = 256
REQUESTS = 2000
PROBES = 600
PAUSE_SECONDS = 0.005
LOAD_MS = 8000


def randao():
    fork = {"previous_version": "0x06000000", "current_version": "0x06000000", "epoch": "0"}
    root = "0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95"
    return json.dumps({"type": "RANDAO_REVEAL", "randao_reveal": {"epoch": "1"}, "fork_info": {"fork": fork, "genesis_validators_root": root}})


def h2load(signer, *words):
    """Signatures a second."""
    body = signer.folder / "randao.json"
    body.write_text(randao())
    done = subprocess.run(["h2load", "-n", str(REQUESTS), *words, "-d", body, "-H", "content-type: application/json",
                           f"https://localhost:{signer.port}/api/v1/eth2/sign/{signer.keys[0]}"],
                          capture_output=True, text=True, timeout=120, check=True)
    assert f"{REQUESTS} succeeded, 0 failed" in done.stdout, done.stdout
    return float(re.search(r"([\d.]+) req/s", done.stdout)[1])


def versions(signer):
    """One round: signatures a second over each."""
    return {"http2": h2load(signer, "-c", "1", "-m", str(UNDER_WAY)), "http1": h2load(signer, "--h1", "-c", str(UNDER_WAY))}


@contextlib.contextmanager
def first_on_a_core():
    """This thread, where root may; what it starts meanwhile is as it would be."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    try:
        yield
    finally:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def probe(signer):
    """Milliseconds of each answer, and of lateness of each sleep before it."""
    with first_on_a_core():
        return probe_now(signer)


def probe_now(signer):
    context = ssl.create_default_context(cafile=str(signer.folder / "cert.pem"))
    connection = http.client.HTTPSConnection("localhost", signer.port, context=context, timeout=30)
    took, late = [], []
    for _ in range(PROBES):
        began = time.monotonic()
        time.sleep(PAUSE_SECONDS)
        late.append((time.monotonic() - began - PAUSE_SECONDS) * 1e3)
        began = time.monotonic()
        connection.request("GET", "/healthcheck")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        took.append((time.monotonic() - began) * 1e3)
    connection.close()
    return took, late


def quantiles(values):
    values = sorted(values)
    return {"p50": statistics.median(values), "p99": values[len(values) * 99 // 100]}


def health(signer):
    """One round: idle, then beside 256 connections that never pause."""
    idle, idle_late = probe(signer)
    outcome = {}
    load = threading.Thread(target=lambda: outcome.update(signer.load(UNDER_WAY, LOAD_MS)))
    load.start()
    time.sleep(1)
    busy, busy_late = probe(signer)
    assert load.is_alive(), "the load ended before the probes"
    load.join()
    return {"idle": quantiles(idle), "idle_sleep": quantiles(idle_late), "busy": quantiles(busy), "busy_sleep": quantiles(busy_late),
            "signatures_per_second": outcome["signed"] / outcome["seconds"],
            "cores_used": (outcome["signer_cpu_seconds"] + outcome["cpu_seconds"]) / outcome["seconds"], "cores": len(os.sched_getaffinity(0))}


def measure(context):
    if not shutil.which("h2load"):
        raise NotHere("no h2load: Debian's nghttp2-client")
    with context.signer(KEYS, "http2") as signer:
        return {"rounds": [{"versions": versions(signer), "health": health(signer)} for _ in range(ROUNDS)]}


def as_text(found):
    of = lambda function: spread(function(r) for r in found["rounds"])  # noqa: E731
    text = f"{UNDER_WAY} requests under way, asked by h2load\n"
    text += line("one connection of HTTP/2", of(lambda r: r["versions"]["http2"]), "/s")
    text += line(f"{UNDER_WAY} connections of HTTP/1.1", of(lambda r: r["versions"]["http1"]), "/s")
    text += line("  HTTP/2 against HTTP/1.1", of(lambda r: r["versions"]["http2"] / r["versions"]["http1"]), "x", 2)
    text += f"/healthcheck beside {UNDER_WAY} connections that never pause, and before them\n"
    for name, words in (("idle", "idle"), ("busy", "saturated")):
        for quantile in ("p50", "p99"):
            text += line(f"{words}: {quantile}", of(lambda r, n=name, q=quantile: r["health"][n][q]), "ms", 2)
        text += line("  how late the prober woke, p99", of(lambda r, n=name: r["health"][f"{n}_sleep"]["p99"]), "ms", 2)
    return text


def goals(_):
    return []
