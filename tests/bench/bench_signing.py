"""Of make bench: what one message by many keys costs in lib/bls, without the signer around it, against blst's hash-and-sign in turns.

bench_sign counts processor time, so other programs on the machine hardly move its figures.
"""
from bench_common import line, spread, tool

SIZES = (1, 2, 4, 8, 16, 32)
SIGN_ROUNDS = 9


def measure(context):
    return {"sizes": [tool("bench_sign", f"--rounds={SIGN_ROUNDS}", *arguments)
                      for arguments in [[f"--keys={keys}"] for keys in SIZES] + [["--keys=32", "--warm"]]]}


def as_text(found):
    text = "one core, processor time of a signature; against blst hash-and-sign\n"
    for one in found["sizes"]:
        label = f"{one['keys']} keys" + (", the message signed before" if one["warm"] else ", a new message")
        text += line(label, spread(value / 1000 for value in one["together_ns"]), "us", 1)
        text += line("  against blst", spread(alone / together for alone, together in zip(one["alone_ns"], one["together_ns"])), "x", 2)
    return text


def goals(_):
    return []
