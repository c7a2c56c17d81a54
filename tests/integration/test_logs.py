"""The log: its formats, request ids, the access log; and what never stands in it."""
import json
import re

import pytest

from test_signer_standalone import Signer, write_raw_keys

SECRET = "0x25295f0d1d592a90b333e26e85149708208e9f8e8bc18f6c77bd62f8ad7a6866"
JSON_FORMATS = {"JSON": "message", "ECS": "message", "GCP": "message", "GELF": "short_message", "LOGSTASH": "message"}
MEMBERS = {
    "JSON": {"timestamp", "level", "program", "pid", "message"},
    "ECS": {"@timestamp", "log.level", "message", "ecs.version", "service.name", "process.pid", "log.logger"},
    "GCP": {"severity", "timestamp", "message"},
    "GELF": {"version", "host", "short_message", "timestamp", "level"},
    "LOGSTASH": {"@timestamp", "@version", "message", "level", "logger_name"},
}


def signer(start, folder, *arguments):
    write_raw_keys(folder, {SECRET})
    return Signer(start, folder, ("--network=minimal", f"--slashing-protection-db-path={folder}/protection.sqlite"), arguments)


def objects(log):
    return [json.loads(line) for line in log.splitlines()]


@pytest.mark.parametrize("name", JSON_FORMATS)
def test_each_line_of_every_process_is_of_the_format(start, folder, name):
    running = signer(start, folder, f"--logging-format={name}", "--logging=DEBUG")
    assert running.process.terminate() == 0
    lines = objects(running.process.log())
    assert all(MEMBERS[name] <= line.keys() for line in lines)
    programs = {str(line.get("program") or line.get("log.logger") or line.get("logger") or line.get("_logger") or
                    line.get("logger_name")) for line in lines}
    assert {"nitro-signer", "nitro-signer-keeper", "nitro-signer-front", "nitro-signer-loader"} <= programs
    assert any("listening on" in line[JSON_FORMATS[name]] for line in lines)


def test_plain_is_the_default_and_has_lines_of_text(start, folder):
    running = signer(start, folder)
    assert running.process.terminate() == 0
    form = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (error|warn|info|debug) [a-z-]+: .+")
    assert all(form.fullmatch(line) for line in running.process.log().splitlines())


@pytest.mark.parametrize("arguments", [["--logging-format=json", "eth2"], ["--log-format=Json", "eth2"]])
def test_mistakes_behind_the_option_are_in_its_format(start, folder, arguments):
    process = start("nitro-signer", *arguments, "--network=nowhere", f"--slashing-protection-db-path={folder}/p", ready=False)
    assert process.wait(10) == 2
    assert [line["level"] for line in objects(process.log())] == ["error"]


def test_a_format_that_is_none_is_refused(start):
    process = start("nitro-signer", "--logging-format=XML", "eth2", ready=False)
    assert process.wait(10) == 2
    assert "--logging-format: must be one of PLAIN, JSON, ECS, GCP, GELF, LOGSTASH" in process.log()


@pytest.mark.parametrize("program, arguments", [
    ("nitro-signer-front", ()), ("nitro-signer-keeper", ()), ("nitro-signer-loader", ()), ("nitro-signer-courier", ("--kms-via=unix:/x",)),
    ("nitro-signer-enclave", ()), ("nitro-signer-proxy", ()), ("nitro-signer-devcloud", ()),
    ("nitro-signer-watchdog", ("--control=unix:/x", "--items=/x", "--credentials=/x", "--policy=/x", "--", "/bin/false")),
    ("nitro-signer-interchange", ("--store=/x",)), ("nitro-signer-ctl", ("status",))])
def test_every_program_knows_the_option(start, program, arguments):
    verb = ["remove-high-watermark"] if program == "nitro-signer-interchange" else []
    refused = start(program, *verb, "--log-format=xml", *arguments, ready=False)
    assert refused.wait(20) == 2
    assert "--log-format: log format must be one of plain, json, ecs, gcp, gelf, logstash" in refused.log()
