"""AWS's COSE crate, by which its own tools read attestation documents (rust/), and our readers: each takes what the other writes, and of
thousands of broken documents ours takes none that theirs refuses."""
import hashlib
import os
import random
import shutil
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from test_aws_images import judge  # noqa: F401
from test_devcloud_nsm import Enclave, read_cbor

ES384 = b"\xa1\x01\x38\x22"
AT_MS = 1767225600000  # of the synthetic documents
COUNT = int(os.environ.get("NS_MUTATIONS", "6000"))


def head(kind, number):
    """A CBOR head in its shortest form."""
    for width, info in ((0, None), (1, 24), (2, 25), (4, 26), (8, 27)):
        if number < (24 if width == 0 else 1 << 8 * width):
            return bytes([kind << 5 | (number if width == 0 else info)]) + number.to_bytes(width, "big") if width else bytes([kind << 5 | number])
    raise ValueError(number)


def data(value):
    return head(2, len(value)) + value


def sign(key, protected, payload):
    """As RFC 8152 section 4.4 says."""
    to_sign = b"\x84\x6aSignature1" + data(protected) + b"\x40" + data(payload)
    r, s = utils.decode_dss_signature(key.sign(to_sign, ec.ECDSA(hashes.SHA384())))
    return r.to_bytes(48, "big") + s.to_bytes(48, "big")


def batch(path, pieces):
    path.write_bytes(b"".join(len(piece).to_bytes(4, "little") + piece for piece in pieces))
    return path


class Sides:
    """Both readers, asked about the same pieces."""

    def __init__(self, judge, bin_dir, folder):  # noqa: F811
        self.judge, self.folder, self.ours_program = judge, folder, bin_dir.parent / "tests/nitro_judge"

    def lines(self, *words):
        done = subprocess.run([self.ours_program, *map(str, words)], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def documents(self, pieces, leaf, root, at_ms=AT_MS):
        """For each piece: what ours and what theirs say, (digest of the payload or None, verified or not)."""
        batch(self.folder / "batch", pieces)
        (self.folder / "leaf.pem").write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
        (self.folder / "root.der").write_bytes(root)
        ours = [(digest if digest != "-" else None, verified == "1") for digest, verified in
                (line.split() for line in self.lines("documents", self.folder / "batch", self.folder / "root.der", at_ms))]
        theirs = [tuple(one) for one in self.judge("cose-many", "batch", "leaf.pem")]
        assert len(ours) == len(theirs) == len(pieces)
        return ours, theirs

    def maps(self, pieces):
        batch(self.folder / "batch", pieces)
        return [line == "1" for line in self.lines("maps", self.folder / "batch")], self.judge("maps", "batch")


@pytest.fixture
def sides(judge, bin_dir, folder):  # noqa: F811
    return Sides(judge, bin_dir, folder)


class Document:
    """An attestation document's parts."""

    def __init__(self, bytes_):
        self.bytes = bytes_
        (self.protected, self.unprotected, self.payload, self.signature), _ = read_cbor(bytes_)
        self.claims = read_cbor(self.payload)[0]
        self.leaf = x509.load_der_x509_certificate(self.claims["certificate"])
        self.root = self.claims["cabundle"][0]


@pytest.fixture(scope="module")
def synthetic(vectors):
    """A good document, its leaf's key, and the root it is under."""
    made = Document((vectors / "nitro/SYNTHETIC/attdoc_valid.bin").read_bytes())
    made.key = serialization.load_pem_private_key((vectors / "nitro/SYNTHETIC/synthetic_leaf_key.pem").read_bytes(), None)
    made.root = x509.load_pem_x509_certificate((vectors / "nitro/SYNTHETIC/synthetic_root.pem").read_bytes()).public_bytes(
        serialization.Encoding.DER)
    return made


def test_both_take_what_aws_signed(sides, vectors):
    for name in ("marlinprotocol_NitroProver/attestation.bin", "marlinprotocol_NitroProver/sample_attestation.bin",
                 "fortanix_rust-sgx/request_proper.bin"):
        real = Document((vectors / "nitro" / name).read_bytes())
        ours, theirs = sides.documents([real.bytes], real.leaf, real.root, real.claims["timestamp"])
        assert ours == theirs == [(hashlib.sha384(real.payload).hexdigest(), True)]


def test_theirs_takes_what_devcloud_signs(sides, start, folder):
    (folder / "image").write_bytes(b"image")
    start("nitro-signer-devcloud", f"--state={folder}/state", f"--nsm=unix:{folder}/nsm", f"--measure={folder}/image")
    enclave = Enclave(folder / "nsm")
    optional = [b"\xf6", b"\x40", data(b"short"), data(bytes(512))]
    for user_data in optional:
        for public_key in (b"\xf6", data(bytes(range(256)) * 4)):
            answer = enclave.ask(b"\xa1\x6bAttestation\xa3\x69user_data" + user_data + b"\x65nonce" + data(b"n" * 64) + b"\x6apublic_key" + public_key)
            made = Document(read_cbor(answer)[0]["Attestation"]["document"])
            root = (folder / "state/nsm-root.der").read_bytes()
            ours, theirs = sides.documents([made.bytes], made.leaf, root, made.claims["timestamp"])
            assert ours == theirs == [(hashlib.sha384(made.payload).hexdigest(), True)]
    enclave.close()


@pytest.mark.parametrize("tagged", [0, 1])
def test_ours_takes_what_theirs_signs(sides, synthetic, folder, vectors, tagged):
    (folder / "payload").write_bytes(synthetic.payload)
    shutil.copy(vectors / "nitro/SYNTHETIC/synthetic_leaf_key.pem", folder / "key.pem")
    sides.judge("cose-sign", "signed", "key.pem", "payload", tagged)
    signed = (folder / "signed").read_bytes()
    assert signed.startswith(b"\xd2\x84" if tagged else b"\x84")
    ours, theirs = sides.documents([signed], synthetic.leaf, synthetic.root)
    assert ours == theirs == [(hashlib.sha384(synthetic.payload).hexdigest(), True)]


def assembled(protected, unprotected, payload, signature, start=b"\x84", end=b""):
    return start + data(protected) + unprotected + data(payload) + data(signature) + end


def shapes(document):
    """Documents that are signed, each written otherwise: whether both take it, theirs alone, or neither."""
    good = (document.protected, b"\xa0", document.payload, document.signature)
    protected, _, payload, signature = good

    def under(header):
        return assembled(header, b"\xa0", payload, sign(document.key, header, payload))
    order = int("ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16)
    negated = signature[:48] + (order - int.from_bytes(signature[48:], "big")).to_bytes(48, "big")
    split = b"\x5f" + data(payload[:100]) + data(payload[100:]) + b"\xff"
    return {
        "as it is": ("both", assembled(*good)),
        "tag 18": ("both", assembled(*good, start=b"\xd2\x84")),
        "tag 18 in two bytes": ("both", assembled(*good, start=b"\xd8\x12\x84")),
        "an open array": ("both", assembled(*good, start=b"\x9f", end=b"\xff")),
        "a long head": ("both", assembled(*good, start=b"\x98\x04")),
        "unprotected members": ("both", assembled(protected, b"\xa1\x04\x42\x31\x31", payload, signature)),
        "the other signature": ("both", assembled(protected, b"\xa0", payload, negated)),
        "alg in a long head": ("both", under(b"\xa1\x01\x39\x00\x22")),
        "alg in an open map": ("both", under(b"\xbf\x01\x38\x22\xff")),
        "a label in a long head": ("both", under(b"\xa1\x18\x01\x38\x22")),
        "a second protected member": ("theirs", under(b"\xa2\x01\x38\x22\x04\x41\x31")),
        "a critical member": ("theirs", under(b"\xa2\x01\x38\x22\x02\x81\x18\x2a")),
        "a payload in pieces": ("theirs", b"\x84" + data(protected) + b"\xa0" + split + data(signature)),
        "two tags": ("theirs", assembled(*good, start=b"\xd2\xd2\x84")),
        "tag 17": ("neither", assembled(*good, start=b"\xd1\x84")),
        "five elements": ("neither", assembled(*good, start=b"\x85", end=b"\x00")),
        "three elements": ("neither", assembled(*good, start=b"\x83")),
        "a byte behind": ("neither", assembled(*good, end=b"\x00")),
        "ES256": ("neither", under(b"\xa1\x01\x26")),
        "no alg": ("neither", under(b"\xa0")),
        "alg twice": ("neither", under(b"\xa2\x01\x38\x22\x01\x38\x22")),
        "alg as text": ("neither", under(b"\xa1\x01\x65ES384")),
        "alg unprotected": ("neither", assembled(b"\xa0", ES384, payload, sign(document.key, b"\xa0", payload))),
        "a short signature": ("neither", assembled(protected, b"\xa0", payload, signature[:95])),
        "a long signature": ("neither", assembled(protected, b"\xa0", payload, signature + b"\x00")),
        "zeros in front of both halves": ("neither", assembled(protected, b"\xa0", payload, b"\0" + signature[:48] + b"\0" + signature[48:])),
        "r and s of zero": ("neither", assembled(protected, b"\xa0", payload, bytes(96))),
        "r and s of the order": ("neither", assembled(protected, b"\xa0", payload, 2 * order.to_bytes(48, "big"))),
        "no payload": ("neither", b"\x84" + data(protected) + b"\xa0\xf6" + data(signature)),
        "unprotected is no map": ("neither", assembled(protected, b"\x80", payload, signature)),
    }


def test_a_signed_document_in_every_shape(sides, synthetic):
    cases = shapes(synthetic)
    ours, theirs = sides.documents([piece for _, piece in cases.values()], synthetic.leaf, synthetic.root)
    said = {name: {(True, True): "both", (False, True): "theirs", (False, False): "neither", (True, False): "ours"}[o[1], t[1]]
            for name, o, t in zip(cases, ours, theirs, strict=True)}
    assert said == {name: expected for name, (expected, _) in cases.items()}
    assert all(o[0] == t[0] for o, t in zip(ours, theirs, strict=True) if o[0])


def mutated(generator, pieces):
    """One of the pieces with a few places changed, cut, doubled or taken from another; most often in the first bytes, where heads are."""
    piece = bytearray(generator.choice(pieces))
    for _ in range(generator.choice((1, 1, 1, 2, 4))):
        at = generator.choice((generator.randrange(16), generator.randrange(len(piece)), len(piece) - 1 - generator.randrange(100)))
        at = max(0, min(at, len(piece) - 1))
        match generator.randrange(6):
            case 0:
                piece[at] ^= 1 << generator.randrange(8)
            case 1:
                piece[at] = generator.choice((0x00, 0x18, 0x1b, 0x40, 0x58, 0x5f, 0x61, 0x7f, 0x80, 0x9f, 0xa0, 0xbf, 0xd2, 0xf5, 0xf6, 0xf7, 0xf9, 0xff))
            case 2:
                del piece[at:at + generator.randrange(1, 5)]
            case 3:
                piece[at:at] = generator.randbytes(generator.randrange(1, 5))
            case 4:
                piece[at:at] = piece[at:at + generator.randrange(1, 20)]
            case 5:
                other = generator.choice(pieces)
                piece[at:] = other[generator.randrange(len(other)):] if generator.randrange(2) else other[at:]
        piece = piece or bytearray(b"\xf6")
    return bytes(piece)


def test_ours_is_never_laxer_on_documents(sides, synthetic, vectors):
    generator = random.Random(os.environ.get("NS_SEED", "documents"))
    sources = [piece for _, piece in shapes(synthetic).values()] + [
        path.read_bytes() for path in (*(vectors / "nitro").glob("*/attdoc_*.bin"), *(vectors / "nitro").glob("*cose/*.bin"))]
    pieces = [mutated(generator, sources) for _ in range(COUNT)]
    ours, theirs = sides.documents(pieces, synthetic.leaf, synthetic.root)
    for piece, mine, other in zip(pieces, ours, theirs, strict=True):
        assert not mine[0] or mine[0] == other[0], piece.hex()
        assert not mine[1] or other[1], piece.hex()
    parsed, verified = sum(1 for one in ours if one[0]), sum(one[1] for one in ours)
    print(f"of {COUNT}: parsed {parsed}, theirs {sum(1 for one in theirs if one[0])}; verified {verified}, theirs {sum(one[1] for one in theirs)}")
    assert parsed > COUNT / 50 and 0 < verified < parsed


def test_ours_is_never_laxer_on_maps(sides, synthetic):
    generator = random.Random(os.environ.get("NS_SEED", "maps"))
    sources = [ES384, synthetic.payload, b"\xbf\x01\x38\x22\xff", b"\xa3\x01\x02\x20\x43abc\x61k\x82\xf5\xf6", b"\xa1\x18\x64\xa1\x61a\x9f\x01\x02\xff",
               b"\xa2\x63\xe2\x82\xac\x1b\xff\xff\xff\xff\xff\xff\xff\xff\x3b\xff\xff\xff\xff\xff\xff\xff\xff\xd2\x80", b"\xa0"]
    pieces = sources + [mutated(generator, sources) for _ in range(COUNT)]
    ours, theirs = sides.maps(pieces)
    laxer = [piece.hex() for piece, mine, other in zip(pieces, ours, theirs, strict=True) if mine and not other]
    assert not laxer, laxer[:5]
    assert all(ours[:len(sources)]) and COUNT / 50 < sum(ours) < COUNT
    print(f"of {len(pieces)}: ours {sum(ours)}, theirs {sum(theirs)}")
