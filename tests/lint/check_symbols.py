"""What the built executables and archives contain, asked of nm, ldd and readelf.

The walls between the processes are only as good as what is linked: the keeper must have no
HTTP, JSON, TLS or curl code, the processes that read the network no secret-key function and no
store. Every executable is position-independent, with relocations read-only before main and no
executable stack, looks for no library in a folder of its own, has the compiler's hardening, and carries little initialised data: a large table with one initialiser that
is not zero would be bytes of the image, and memory of every enclave. And every global symbol of a module begins with one of its prefixes.
"""
import os
import re
import subprocess

from common import main, targets

# program -> (forbidden symbols, forbidden libraries, a symbol it must have: proof that we look at the right thing)
NETWORK = r"json_|evhttp_|evbuffer|bufferevent_|event_base_|SSL_|curl_"
NETWORK_LIBRARIES = r"libssl|libcurl|libevent|libjansson"
RULES = {
    "nitro-signer-keeper": (NETWORK, NETWORK_LIBRARIES, "bls_sign"),
    "nitro-signer-front": (r"blst_|bls_sign|bls_derive|bls_secret|sqlite3_|slashing_sqlite|slashing_store_", r"libsqlite3|libcurl",
                           "main"),
    "nitro-signer-courier": (r"blst_|bls_|sqlite3_|slashing_sqlite|slashing_seal|slashing_interchange|aws_kms_plain", r"libsqlite3|libevent",
                             "courier_store_start"),
    "nitro-signer-loader": (r"sqlite3_|slashing_|curl_|evhttp_|SSL_", r"libssl|libcurl|libevent|libsqlite3", "main"),
    "nitro-signer-fetcher": (r"aws_kms_plain|blst_|bls_|sqlite3_|slashing_|keystore_|key_source|evhttp_", r"libsqlite3|libevent|libyaml",
                             "fetcher_sandbox_enter"),
    "nitro-signer": (r"blst_|bls_|sqlite3_|evhttp_|SSL_|curl_", r"libsqlite3|libssl|libcurl", "main"),
    # libssl comes with PostgreSQL's library and with libcurl, for DynamoDB; the program itself makes no call to it.
    "nitro-signer-interchange": (r"blst_|bls_sign|bls_derive|bls_secret|evhttp_|SSL_", r"libevent", "slashing_store_scan"),
    "nitro-signer-enclave": (r"blst_|bls_|sqlite3_|json_|curl_|SSL_|evhttp_", r"libsqlite3|libjansson|libcurl|libssl", "main"),
    "nitro-signer-proxy": (r"blst_|bls_|sqlite3_|json_|SSL_|curl_", r"libsqlite3|libjansson|libssl|libcurl", "main"),
    "nitro-signer-lambda": (r"blst_|bls_|sqlite3_|slashing_|keystore_|evhttp_|nsm_|ipc_", r"libsqlite3|libevent|libyaml",
                            "aws_kms_plain_key_pair"),
    # Its metrics are served by the HTTP server that also knows TLS.
    "nitro-signer-watchdog": (r"blst_|bls_|sqlite3_", r"libsqlite3", "main"),
}
# The operator's own tools: they stand behind no wall, and hold whatever they need. Every other program has a row above.
WITHOUT_WALLS = {"nitro-signer-ctl", "nitro-signer-devcloud"}
# Rooms whose headers name several things; every other room's prefix is its name.
PREFIXES = {
    "base": ("error_", "fd_", "base64_", "buffer_", "cursor_", "pack_", "clock_", "file_", "hex_", "log_", "options_",
             "parse_u64", "process_", "secret_", "version_"),
    "keystore": ("keystore_", "key_config_", "key_remote_", "key_source", "mnemonic_"),
    "nitro": ("nitro_", "nsm_", "attestation_", "envelope_"),
}
RUNTIME = re.compile(r"^(_|DW\.ref|[0-9])")


def names(path, defined_global=False):
    options = ["--defined-only", "--extern-only"] if defined_global else []
    output = subprocess.run(["nm", "--format=posix", *options, path], capture_output=True, text=True, check=True).stdout
    return {line.split()[0].split("@")[0] for line in output.splitlines() if line and not line.endswith(":")}


def check_program(path, name):
    forbidden, libraries, witness = RULES[name]
    found = names(path)
    if witness not in found:
        yield path, 0, f"has no symbol {witness}: is it stripped?"
    for symbol in sorted(s for s in found if re.match(forbidden, s)):
        yield path, 0, f"contains {symbol}"
    linked = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
    for library in sorted(set(re.findall(rf"\b(?:{libraries})\S*(?= =>)", linked))):
        yield path, 0, f"is linked to {library}"


# what readelf -ldW must show, and what its absence means
HARDENED = [(r"\bFlags:.*\bPIE\b", "is not position-independent"), (r"\bFlags:.*\bNOW\b", "binds lazily"),
            (r"\bGNU_RELRO\b", "leaves its relocations writable"), (r"\bGNU_STACK\b.*\bRW\s", "has an executable stack")]


INSTRUMENTED = {"__asan_init", "__tsan_init", "__gcov_init"}
FORTIFIED = re.compile(r"^__\w+_chk$")


def check_hardening(path):
    shown = subprocess.run(["readelf", "-ldW", path], capture_output=True, text=True, check=True).stdout
    for pattern, meaning in HARDENED:
        if not re.search(pattern, shown):
            yield path, 0, meaning
    if re.search(r"\((RPATH|RUNPATH)\)", shown):
        yield path, 0, "looks for libraries in a folder of its own"
    yield from check_compiled(path)


def check_compiled(path):
    """What is left of the compiler's own hardening. Sanitizers and coverage take the place of some of it."""
    found = names(path)
    if "__stack_chk_fail" not in found:
        yield path, 0, "has no stack protector"
    if INSTRUMENTED & found:
        return
    if not any(FORTIFIED.match(symbol) and symbol != "__stack_chk_fail" for symbol in found):
        yield path, 0, "is built without _FORTIFY_SOURCE"
    begin = subprocess.run(["objdump", "-d", "--no-show-raw-insn", "--disassemble=main", path], capture_output=True, text=True, check=True).stdout
    first = re.search(r"^\s+[0-9a-f]+:\s+(\S+)", begin, re.MULTILINE)
    if not first or first[1] not in ("endbr64", "paciasp", "bti"):
        yield path, 0, "does not mark where indirect jumps may land"


DATA_MAX = 256 * 1024


def check_data(path):
    shown = subprocess.run(["size", "-A", "-d", path], capture_output=True, text=True, check=True).stdout
    size = int(re.search(r"^\.data\s+(\d+)", shown, re.MULTILINE)[1])
    if size > DATA_MAX:
        yield path, 0, f"has {size} bytes of .data, more than {DATA_MAX}"


def check_module(path, room):
    prefixes = PREFIXES.get(room, (room + "_",))
    for symbol in sorted(names(path, defined_global=True)):
        if not symbol.startswith(prefixes) and not RUNTIME.match(symbol):
            yield path, 0, f"global symbol {symbol} begins with none of {', '.join(prefixes)}"


def check(root):
    bin_dir = os.environ.get("NS_BIN_DIR") or os.path.join(root, "build", "bin")
    build_dir = os.path.dirname(os.path.normpath(bin_dir))
    of_tree = targets(root)
    for name in sorted(t.name for t in of_tree if t.kind == "program" and t.folder.startswith("src/")):
        path = os.path.join(bin_dir, name)
        if not os.path.exists(path):
            yield path, 0, "is not built"
            continue
        yield from check_hardening(path)
        yield from check_data(path)
        if name in RULES:
            yield from check_program(path, name)
        elif name not in WITHOUT_WALLS:
            yield path, 0, "has no row in RULES: what must it not contain?"
    # The same objects with Lambda's own start: what is deployed. Where it looks for libraries is meant.
    deployed = os.path.join(build_dir, "lambda", "nitro-signer-lambda-bootstrap")
    if os.path.exists(deployed):
        yield from check_program(deployed, "nitro-signer-lambda")
        yield from check_compiled(deployed)
        yield from check_data(deployed)
    for module in (t for t in of_tree if t.kind == "module"):
        path = os.path.join(build_dir, module.folder, f"lib{module.name}.a")
        if os.path.exists(path):
            yield from check_module(path, module.room)
        else:
            yield path, 0, "is not built"


if __name__ == "__main__":
    main(check)
