"""What the front takes for an access document, and that it serves nobody before the one that its policy pins has come."""
import hashlib

import pytest

from front_process import KEY, front  # noqa: F401 (front is a fixture)
from harness import policy_text
from scripted_keeper import Certificate

DOCUMENT = "nitro-signer-access 1\npath_token_sha256 " + hashlib.sha256(b"a-token_of-20-letters").hexdigest() + "\n"
PINNED = policy_text(store="sqlite:/nowhere", log_level="debug", access="0x" + hashlib.sha256(DOCUMENT.encode()).hexdigest())
ANY = policy_text(store="sqlite:/nowhere", log_level="debug")


@pytest.fixture
def steps(front, folder):  # noqa: F811
    """steps(mode, step, ...) says these to a front, one after the other: the process, which may have ended."""
    def sayer(mode, *said):
        certificate = Certificate(folder)
        f = front(f"--mode={mode}", hosts=None, serve=False)
        words = {"settings": lambda: f.keeper.settings(PINNED), "any": lambda: f.keeper.settings(ANY), "access": lambda: f.keeper.access(DOCUMENT),
                 "no access": lambda: f.keeper.access(DOCUMENT[:-1]), "tls": lambda: f.keeper.tls(certificate), "keys": lambda: f.keeper.keys([KEY]),
                 "health": f.keeper.health, "serve": f.keeper.serve}
        for word in said:
            try:
                words[word]()
            except (OSError, TypeError):
                break  # it has ended: its log says why
        f.certificate = certificate
        return f
    return sayer


@pytest.mark.parametrize("mode, said, why", [
    ("enclave", ["settings", "tls", "keys", "health", "serve"], "SERVE came before the access document that the policy pins"),
    ("enclave", ["settings", "tls", "access"], "ACCESS came twice or too late"),
    ("enclave", ["settings", "access", "access"], "ACCESS came twice or too late"),
    ("enclave", ["access"], "ACCESS came, but no policy that pins one"),
    ("enclave", ["any", "access"], "ACCESS came, but no policy that pins one"),
    ("enclave", ["settings", "no access"], "access: line 2: must end with a newline"),
    ("standalone", ["settings", "access"], "ACCESS came, but no policy that pins one"),
    ("standalone", ["settings", "tls", "keys", "health", "serve"], "SERVE came before the access document that the policy pins"),
])
def test_it_ends_rather_than_serve_anybody(steps, mode, said, why):
    f = steps(mode, *said)
    assert f.process.wait() == 1
    assert why in f.process.log()


def test_in_order_it_serves_whom_the_document_names(steps):
    f = steps("enclave", "settings", "access", "tls", "keys", "health", "serve")
    assert f.request("GET", "/a-token_of-20-letters/upcheck").status_code == 200
    assert f.request("GET", "/upcheck").status_code == 403
