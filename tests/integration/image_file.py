"""Enclave images taken apart and measured by other means than ours: struct, zlib, hashlib."""
import hashlib
import struct
import zlib

KERNEL, CMDLINE, RAMDISK, SIGNATURE, METADATA = 1, 2, 3, 4, 5
HEADER = 548


def sections(image):
    """[(type, data)] by walking; and the header's table agrees."""
    magic, version, flags, _, _, reserved, count = struct.unpack(">4sHHQQHH", image[:28])
    offsets, sizes = struct.unpack(">32Q", image[0x1c:0x11c]), struct.unpack(">32Q", image[0x11c:0x21c])
    assert (magic, version, reserved) == (b".eif", 4, 0) and flags in (0, 1)
    found, at = [], HEADER
    while at < len(image):
        kind, section_flags, size = struct.unpack(">HHQ", image[at:at + 12])
        assert section_flags == 0 and (offsets[len(found)], sizes[len(found)]) == (at, size)
        found.append((kind, image[at + 12:at + 12 + size]))
        at += 12 + size
    assert at == len(image) and count == len(found) and not any(offsets[count:] + sizes[count:])
    assert int.from_bytes(image[0x220:HEADER], "big") == zlib.crc32(image[:0x220] + image[HEADER:])
    return found


def pcr(data):
    return hashlib.sha384(bytes(48) + hashlib.sha384(data).digest()).hexdigest()


def measurements(image):
    parts = sections(image)
    ramdisks = [data for kind, data in parts if kind == RAMDISK]
    boot = b"".join(data for kind, data in parts if kind in (KERNEL, CMDLINE))
    return {"PCR0": pcr(boot + b"".join(ramdisks)), "PCR1": pcr(boot + ramdisks[0]), "PCR2": pcr(b"".join(ramdisks[1:]))}


def signature(section):
    """(certificate in PEM, COSE_Sign1) of a signature section."""
    def number(at):
        return (section[at], at + 1) if section[at] < 24 else (section[at + 1], at + 2)

    def listed(key, at):
        assert section[at] == 0x60 + len(key) and section[at + 1:at + 1 + len(key)] == key
        at += 1 + len(key)
        width = {0x98: 1, 0x99: 2}[section[at]]
        count, at, found = int.from_bytes(section[at + 1:at + 1 + width], "big"), at + 1 + width, bytearray()
        for _ in range(count):
            value, at = number(at)
            found.append(value)
        return bytes(found), at

    assert section[:2] == b"\x81\xa2"
    certificate, at = listed(b"signing_certificate", 2)
    cose, at = listed(b"signature", at)
    assert at == len(section)
    return certificate, cose
