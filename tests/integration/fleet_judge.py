"""Messages as a validator client words them, and a judge who knows all that was ever signed: complete conditions, no marks.
Signing roots are computed here, from the specification; signatures are verified with the blst of the node packages.

    assert slashable_pairs(signed) == []
    assert wrong_signatures(sample) == []
"""
import collections
import hashlib
import json
import pathlib
import subprocess

from test_signer_standalone import GENESIS

VERIFIER = pathlib.Path(__file__).resolve().parents[1] / "interop/verify.mjs"
FORK_VERSION = "0x00000001"
CHAIN = FORK_VERSION, GENESIS  # what goes into domains; of another network where one is given
PROPOSER_DOMAIN, ATTESTER_DOMAIN = bytes(4), bytes([1, 0, 0, 0])

BLOCK, VOTE = "block", "vote"
# A block has its slot in high. Messages of the same heights differ in their variant.
Message = collections.namedtuple("Message", "kind key low high variant")
Signed = collections.namedtuple("Signed", "message signature signer sent came")


def slashable_pairs(messages):
    """Of each validator's different messages: a pair of each double proposal, of each double vote, and a pair for each vote
    that surrounds others. messages may repeat."""
    of_key, pairs = collections.defaultdict(set), []
    for message in messages:
        of_key[message.kind, message.key].add(message)
    for (kind, _), known in of_key.items():
        pairs += _doubles(known)
        if kind == VOTE:
            pairs += _surrounds(known)
    return pairs


def _doubles(known):
    first, pairs = {}, []
    for message in sorted(known):
        other = first.setdefault(message.high, message)
        if other != message:
            pairs.append((other, message))
    return pairs


def _surrounds(known):
    """In the order of sources: a vote is surrounded exactly when one of a lower source has a higher target."""
    pairs, highest = [], None
    by_source = collections.defaultdict(list)
    for message in known:
        by_source[message.low].append(message)
    for source in sorted(by_source):
        if highest is not None:
            pairs += [(highest, message) for message in by_source[source] if message.high < highest.high]
        highest = max([*by_source[source], *([highest] if highest else [])], key=lambda message: message.high)
    return pairs


# What is sent


def _filled(number):
    return "0x" + f"{number:064x}"


def _header(message):
    return {"slot": str(message.high), "proposer_index": "3", "parent_root": _filled(1), "state_root": _filled(2),
            "body_root": _filled(message.variant)}


def _vote(message):
    return {"slot": str(8 * message.high), "index": "0", "beacon_block_root": _filled(message.variant),
            "source": {"epoch": str(message.low), "root": _filled(5)}, "target": {"epoch": str(message.high), "root": _filled(6)}}


def request_of(message, chain=CHAIN):
    """The body of the request to sign it."""
    version, genesis = chain
    fork_info = {"fork": {"previous_version": version, "current_version": version, "epoch": "0"},
                 "genesis_validators_root": genesis}
    if message.kind == VOTE:
        return {"type": "ATTESTATION", "fork_info": fork_info, "attestation": _vote(message)}
    return {"type": "BLOCK_V2", "fork_info": fork_info,
            "beacon_block": {"version": "BELLATRIX", "block_header": _header(message)}}


# What is signed


def _hash(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def _container(*leaves):
    """The hash tree root of a container of these roots."""
    nodes = list(leaves)
    while len(nodes) & (len(nodes) - 1):
        nodes.append(bytes(32))
    while len(nodes) > 1:
        nodes = [_hash(*nodes[i:i + 2]) for i in range(0, len(nodes), 2)]
    return nodes[0]


def _number(text):
    return int(text).to_bytes(8, "little").ljust(32, b"\0")


def _root(text):
    return bytes.fromhex(text[2:])


def signing_root(message, chain=CHAIN):
    version, genesis = chain
    if message.kind == VOTE:
        vote, domain = _vote(message), ATTESTER_DOMAIN
        checkpoints = [_container(_number(vote[end]["epoch"]), _root(vote[end]["root"])) for end in ("source", "target")]
        object_root = _container(_number(vote["slot"]), _number(vote["index"]), _root(vote["beacon_block_root"]), *checkpoints)
    else:
        header, domain = _header(message), PROPOSER_DOMAIN
        object_root = _container(_number(header["slot"]), _number(header["proposer_index"]),
                                 *(_root(header[name]) for name in ("parent_root", "state_root", "body_root")))
    fork_root = _container(_root(version).ljust(32, b"\0"), _root(genesis))
    return _hash(object_root, domain + fork_root[:28])


def wrong_signatures(signed, chain=CHAIN):
    """Those of these that are not what they should be: by blst, and because one message has one signature."""
    known, wrong = {}, []
    for one in signed:
        if known.setdefault(one.message, one.signature) != one.signature:
            wrong.append(one)
    sets = [[message.key, "0x" + signing_root(message, chain).hex(), signature] for message, signature in known.items()]
    done = subprocess.run(["node", VERIFIER], input=json.dumps(sets), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    verdicts = json.loads(done.stdout)
    assert len(verdicts) == len(sets)
    return wrong + [message for message, right in zip(known, verdicts) if not right]
