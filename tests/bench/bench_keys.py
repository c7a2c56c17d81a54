"""Of make bench: what keys cost by their number, up to 100,000: start, memory, a burst of all of them, their list, a reload; sealed keys in
an enclave's local mode; memory with 2,000 connections, kept and busy.

The peer of the sealed keys is what any reader of EIP-2335 keystores cannot avoid: one scrypt derivation for each (n = 2^18, r = 8), by
OpenSSL, on as many processors as there are. A few are measured, all at once on all processors, and 10,000 are extrapolated from them.
"""
import concurrent.futures
import hashlib
import http.client
import json
import os
import resource
import socket
import ssl
import statistics
import time

import bench_burst
import bench_enclave
from bench_common import CORES, goal, spread

COUNTS = (1, 10, 100, 1000, 10000, 100000)
SEALED, STARTS, MANY_STARTS = 10000, 5, 2
CONNECTIONS, CONNECTIONS_MS = 2000, 3000
DERIVATIONS = 2 * CORES
SECONDS = 420


def asked(signer, method, path):
    """Seconds until the whole answer is there, and the answer."""
    context = ssl.create_default_context(cafile=str(signer.folder / "cert.pem"))
    connection = http.client.HTTPSConnection("localhost", signer.port, context=context, timeout=120)
    connection.connect()
    started = time.monotonic()
    connection.request(method, path, headers={"Content-Length": "0"} if method == "POST" else {})
    answer = connection.getresponse()
    text = answer.read()
    seconds = time.monotonic() - started
    connection.close()
    assert answer.status in (200, 202), f"{method} {path}: {answer.status}"
    return seconds, text


def reload(signer):
    """Seconds until all files are read again and the same keys serve."""
    started = time.monotonic()
    asked(signer, "POST", "/reload")
    while (state := json.loads(asked(signer, "GET", "/reload")[1])["status"]) == "running":
        time.sleep(0.02)
    assert state == "completed", state
    return time.monotonic() - started


def resident_kib(signer):
    found = {}
    for name, pid in signer.named_pids().items():
        with open(f"/proc/{pid}/status", encoding="utf-8") as status:
            found[name] = next(int(text.split()[1]) for text in status if text.startswith("VmRSS:"))
    return found


def measure_count(context, count):
    with context.signer(count, f"keys-{count}") as signer:
        loaded = resident_kib(signer)
        bursts = 15 if count <= 1000 else 3 if count <= 10000 else 1
        burst = signer.load(min(bench_burst.CONNECTIONS, count), 0, bursts=bursts, timeout=120)
        lists = [asked(signer, "GET", "/api/v1/eth2/publicKeys") for _ in range(3)]
        reload_seconds = reload(signer)
        return {"keys": count, "ready_seconds": signer.ready_seconds, "first_signature_seconds": signer.first_signature_seconds,
                "resident_kib": loaded, "resident_after_kib": resident_kib(signer), "burst": burst,
                "list_seconds": [seconds for seconds, _ in lists], "list_bytes": len(lists[0][1]), "reload_seconds": reload_seconds}


def keep_connections(signer):
    """They have asked once, and wait."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4 * CONNECTIONS), most))
    context = ssl.create_default_context(cafile=str(signer.folder / "cert.pem"))
    kept = []
    for _ in range(CONNECTIONS):
        kept.append(context.wrap_socket(socket.create_connection(("127.0.0.1", signer.port)), server_hostname="localhost"))
        kept[-1].sendall(b"GET /upcheck HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert kept[-1].recv(4096).startswith(b"HTTP/1.1 200")
    return kept


def measure_connections(context):
    """2,000 connections that have asked once and wait; and 2,000 that are made at once and ask without pause."""
    kept_kib, samples = [], []
    with context.signer(SEALED, "connections") as signer, concurrent.futures.ThreadPoolExecutor(1) as beside:
        kept = keep_connections(signer)
        for _ in range(10):
            kept_kib.append(resident_kib(signer))
            time.sleep(0.05)
        for connection in kept:
            connection.close()
        under_way = beside.submit(signer.load, CONNECTIONS, CONNECTIONS_MS, timeout=120)
        while not under_way.done():
            samples.append(resident_kib(signer))
            time.sleep(0.05)
        return {"kept_kib": kept_kib, "samples_kib": samples, "load": under_way.result()}


def derive(_):
    hashlib.scrypt(b"password", salt=os.urandom(32), n=1 << 18, r=8, p=1, maxmem=300 << 20, dklen=32)


def measure_peer():
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(CORES) as threads:  # hashlib lets the others run meanwhile
        list(threads.map(derive, range(DERIVATIONS)))
    return {"derivations": DERIVATIONS, "seconds": time.monotonic() - started}


def measure(context):
    peer = measure_peer()
    sealed = bench_enclave.measure_starts([(SEALED, STARTS), (10 * SEALED, MANY_STARTS)])
    return {"peer": peer, "sealed": sealed, "connections": measure_connections(context),
            "counts": [measure_count(context, count) for count in COUNTS]}


def peer_seconds(found):
    """Of 10,000 keystores."""
    return found["peer"]["seconds"] / found["peer"]["derivations"] * SEALED


def in_mb(kib):
    return sum(kib.values()) * 1024 / 1e6


def most_busy(found):
    """By process, when most was resident while all asked at once."""
    return max(found["connections"]["samples_kib"], key=in_mb)


def by_process(kib):
    return ", ".join(f"{name} {value / 1024:.1f} MiB" for name, value in kib.items())


def as_text(found):
    text = f"stand-alone, raw keys, a file each; a burst is of all keys, over at most {bench_burst.CONNECTIONS} kept connections\n"
    for one in found["counts"]:
        burst = one["burst"]
        cpu = (burst["cpu_seconds"] + burst["signer_cpu_seconds"]) / burst["signed"]
        text += (f"  {one['keys']:>7,} keys: first signature {one['first_signature_seconds']:.2f} s; {in_mb(one['resident_kib']):.1f} MB resident, "
                 f"{in_mb(one['resident_after_kib']):.1f} after a reload; burst {statistics.median(burst['burst_ms']):,.1f} ms, {1e6 * cpu:.0f} us of a "
                 f"processor a signature; list of {one['list_bytes']:,} bytes {1000 * min(one['list_seconds']):.1f} ms; reload {one['reload_seconds']:.2f} s\n")
    text += f"sealed keys in an enclave's local mode\n{''.join(map(bench_enclave.show, found['sealed']))}"
    kept, busy = found["connections"]["kept_kib"][-1], most_busy(found)
    text += f"{SEALED:,} keys and {CONNECTIONS:,} kept TLS connections: {in_mb(kept):.1f} MB resident ({by_process(kept)})\n"
    text += f"  while as many are made at once and all ask without pause: at most {in_mb(busy):.1f} MB ({by_process(busy)})\n"
    text += f"scrypt alone, of {SEALED:,} keystores, extrapolated from {found['peer']['derivations']} on {CORES} processors: {peer_seconds(found):,.0f} s\n"
    return text


def goals(found):
    signed = spread(ms / 1000 for ms in found["sealed"][0]["signed_ms"])
    kept = spread(map(in_mb, found["connections"]["kept_kib"]))
    beside = f"sum over the processes, pages that they share counted in each; while all ask at once, at most {in_mb(most_busy(found)):.1f} MB"
    return [goal("memory", kept, beside=beside),
            goal("sealed-start", signed, beside=f"10,000 scrypt derivations alone, which a peer cannot avoid: {peer_seconds(found):,.0f} s on the same "
                 f"processors (extrapolated); 100,000 sealed keys: {statistics.median(found['sealed'][1]['signed_ms']) / 1000:.2f} s")]
