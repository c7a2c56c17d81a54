#!/usr/bin/env python3
"""nitro-cli as its sources and documentation have it, without enclaves: what it was asked and what "runs" is in the folder
$FAKE_NITRO_CLI. A test writes faults there: faults.json is {"run-enclave": [fault, ...]}, of which each call takes the first.

A fault is a code ("E22"), or a word: "hang"; "slow" (answers when there is a file "go on"); "garbage" (no JSON); "forget" (describe knows nothing); "refuse" (Terminated: false);
"array"/"object" (the form of terminate-enclave's answer, which changed with 1.4.3); "status 7".
"""
import argparse
import fcntl
import json
import os
import pathlib
import sys
import time

FOLDER = pathlib.Path(os.environ["FAKE_NITRO_CLI"])
TEXTS = {"E22": "Insufficient CPUs available in the pool. User provided `cpu-count` is 2, which is more than the configured CPU pool size.",
         "E26": "Insufficient memory requested. User provided `memory` is 64 MB, but based on the EIF file size, the minimum memory should be 256 MB",
         "E27": "Insufficient memory available. User provided `memory` is 512 MB, which is more than the available hugepage memory."}


def read(name, default):
    path = FOLDER / name
    return json.loads(path.read_text()) if path.exists() else default


def write(name, value):
    (FOLDER / "new").write_text(json.dumps(value))
    os.replace(FOLDER / "new", FOLDER / name)


def fail(code):
    sys.stderr.write(f"Start allocating memory...\n[ {code} ] {TEXTS.get(code, 'Such error appears when something fails.')}\n\n"
                     f"For more details, please visit https://docs.aws.amazon.com/enclaves/latest/user/cli-errors.html#{code}\n\n"
                     "If you open a support ticket, please provide the error log found at \"/var/log/nitro_enclaves/err.log\"\n")
    sys.exit(1)


def take_fault(command):
    faults = read("faults.json", {})
    waiting = faults.get(command, [])
    fault = waiting.pop(0) if waiting else None
    write("faults.json", {**faults, command: waiting})
    return fault


def parse():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run-enclave")
    run.add_argument("--eif-path", required=True)
    run.add_argument("--cpu-count", type=int, required=True)
    run.add_argument("--memory", type=int, required=True)
    run.add_argument("--enclave-cid", type=int)
    run.add_argument("--enclave-name")
    run.add_argument("--debug-mode", action="store_true")
    commands.add_parser("describe-enclaves")
    terminate = commands.add_parser("terminate-enclave")
    terminate.add_argument("--enclave-id", required=True)
    return parser.parse_args()


def run_enclave(options):
    serial = read("serial.json", 0) + 1
    write("serial.json", serial)
    told = {"EnclaveName": options.enclave_name, "EnclaveID": f"i-0123456789abcdef0-enc{serial:016x}", "ProcessID": 4000 + serial,
            "EnclaveCID": options.enclave_cid, "NumberOfCPUs": options.cpu_count, "CPUIDs": [1, 3], "MemoryMiB": options.memory}
    pcr0 = (FOLDER / "pcr0").read_text().strip() if (FOLDER / "pcr0").exists() else "0" * 96
    write("enclaves.json", read("enclaves.json", []) + [{
        **told, "State": "RUNNING", "Flags": "DEBUG_MODE" if options.debug_mode else "NONE",
        "Measurements": {"HashAlgorithm": "Sha384 { ... }", "PCR0": pcr0, "PCR1": "1" * 96, "PCR2": "2" * 96}}])
    sys.stderr.write(f"Start allocating memory...\nStarted enclave with enclave-cid: {options.enclave_cid}, memory: {options.memory} MiB, cpu-ids: [1, 3]\n")
    print(json.dumps(told, indent=2))


def terminate_enclave(options, fault):
    enclaves = read("enclaves.json", [])
    if not any(enclave["EnclaveID"] == options.enclave_id for enclave in enclaves):
        fail("E39")
    if fault != "refuse":
        write("enclaves.json", [enclave for enclave in enclaves if enclave["EnclaveID"] != options.enclave_id])
    told = {"EnclaveName": "signer", "EnclaveID": options.enclave_id, "Terminated": fault != "refuse"}
    print(json.dumps(told if fault == "object" else [told], indent=2))


def main():
    options = parse()
    with open(FOLDER / "lock", "a", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with open(FOLDER / "calls", "a", encoding="utf-8") as calls:
            calls.write(json.dumps({"words": sys.argv[1:], "environment": sorted(os.environ)}) + "\n")
        fault = take_fault(options.command)
    if fault == "hang":
        time.sleep(1000)
    while fault == "slow" and not (FOLDER / "go on").exists():
        time.sleep(0.02)
    if fault == "garbage":
        print("<html>")
        sys.exit(0)
    if fault and fault.startswith("status "):
        sys.stderr.write("thread 'main' panicked\n")
        sys.exit(int(fault.split()[1]))
    if fault and fault[0] == "E":
        fail(fault)
    if options.command == "run-enclave":
        run_enclave(options)
    elif options.command == "terminate-enclave":
        terminate_enclave(options, fault)
    else:
        print(json.dumps([] if fault == "forget" else read("enclaves.json", []), indent=2))


main()
