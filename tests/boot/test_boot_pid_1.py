"""What only a machine's PID 1 does, in an emulated enclave: options of the kernel's command line, the clock, and a log over vsock."""
import re

import pytest

from boot_rig import BootCloud


@pytest.fixture
def cloud(start, bin_dir, folder, parts):
    cloud = BootCloud(start, bin_dir, folder, parts, num_keys=1)
    cloud.begin()
    return cloud


@pytest.mark.parametrize("word, last", [
    ("nitro_signer.no-such=1", "nitro_signer.no-such: unknown option"),
    ("nitro_signer.kms-via=pigeon", "--kms-via: address: must begin with tcp:, unix: or vsock:"),
    ("nitro_signer.nsm=/dev/mem", "/dev/mem: No such file or directory"),
])
def test_a_boot_that_fails_says_why_last(cloud, word, last):
    """In the log, and on the console, where nothing comes after it but the kernel's own end."""
    cloud.image = cloud.build_image("other", edit=lambda line: f"{line} {word}")
    enclave = cloud.enclave("a", wait=False)
    enclave.await_that(lambda: f"{last}; ending" in enclave.proxy.log() and f"{last}; ending" in enclave.console())
    assert "started" not in enclave.proxy.log()


def test_the_clock_is_the_hypervisors_and_the_log_comes_back(cloud):
    enclave = cloud.enclave("a")
    log = enclave.proxy.log()
    assert re.search(r"nitro-signer-enclave: clock: .* source=(ptp|nsm) ", log), log
    assert "store is sqlite" in log
    # The host's end of the log goes; what is said meanwhile waits for the next.
    assert enclave.proxy.terminate() == 0
    alone = cloud.start("nitro-signer-proxy", f"--inbound=tcp:127.0.0.1:{enclave.port}=unix:{cloud.folder}/a-https")
    assert enclave.attest(0).status_code == 200
    assert enclave.attest(0, block=0x45).status_code == 412
    assert alone.terminate() == 0
    enclave.proxy = cloud.start("nitro-signer-proxy", f"--log-sink=unix:{cloud.folder}/a.vsock_8002")
    enclave.await_that(lambda: "double_vote" in enclave.proxy.log())
