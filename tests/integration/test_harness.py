"""The harness itself: it must notice death, silence and leftovers, else no black-box test can fail."""
import os
import signal
import time

import pytest

from harness import Process, packet_pair, receive_packet, send_packet


def spawn(folder, script, fds=()):
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    return Process("/bin/sh", ["-c", script], str(logs), fds)


NOTIFY = "python3 -c \"import os,socket;socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)" \
         ".sendto(b'READY=1',os.environ['NOTIFY_SOCKET'])\"; "


def test_ready_then_terminated(folder):
    process = spawn(folder, "trap 'exit 0' TERM; " + NOTIFY + "while :; do sleep 0.05; done")
    process.wait_ready()
    assert process.alive()
    assert process.terminate() == 0
    process.cleanup()


def test_death_before_ready_is_a_failure_with_the_log(folder):
    process = spawn(folder, "echo reason; exit 3")
    with pytest.raises(AssertionError, match="(?s)ended with 3.*reason"):
        process.wait_ready()
    process.cleanup()


def test_silence_is_a_failure(folder):
    process = spawn(folder, "sleep 60")
    with pytest.raises(AssertionError, match="not ready"):
        process.wait_ready(timeout=0.2)
    process.cleanup()


def test_cleanup_kills_grandchildren(folder):
    process = spawn(folder, f"sleep 60 & echo $! > {folder}/pid; wait")
    while not (folder / "pid").exists() or not (folder / "pid").read_text().strip():
        time.sleep(0.01)
    grandchild = int((folder / "pid").read_text())
    process.cleanup()
    assert process.status == -signal.SIGKILL
    for _ in range(200):
        try:
            with open(f"/proc/{grandchild}/stat", encoding="ascii") as stat:
                if stat.read().split()[2] == "Z":
                    break
        except FileNotFoundError:
            break
        time.sleep(0.01)
    else:
        pytest.fail("the grandchild lives on")


def test_descriptors_arrive_in_order(folder):
    first, first_peer = packet_pair()
    second, second_peer = packet_pair()
    # Passed in reverse, so that a naive dup2 in place would overwrite one with the other.
    process = spawn(folder, "printf first >&3; printf second >&4", fds=(second_peer.fileno(), first_peer.fileno()))
    assert process.wait() == 0
    assert second.recv(64) == b"first"
    assert first.recv(64) == b"second"
    process.cleanup()


def test_packets_carry_descriptors_and_end():
    one, other = packet_pair()
    send_packet(one, 0x0103, 7, b"body", fds=[one.fileno()])
    kind, count, body, fds = receive_packet(other)
    assert (kind, count, body, len(fds)) == (0x0103, 7, b"body", 1)
    os.close(fds[0])
    one.close()
    assert receive_packet(other) is None


def test_sanitizer_reports_are_seen(folder):
    process = spawn(folder, "echo '==1==ERROR: AddressSanitizer: heap-use-after-free'")
    process.wait()
    assert process.sanitizer_report()
    process.cleanup()


def test_a_report_has_a_status_of_its_own(folder):
    process = spawn(folder, "[ \"$ASAN_OPTIONS$UBSAN_OPTIONS\" = exitcode=99exitcode=99 ] && exit 7")
    assert process.wait() == 7
    process.cleanup()
