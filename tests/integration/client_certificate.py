"""Certificates of TLS clients, made by the openssl program: self-signed or by an authority, of any age and kind."""
import hashlib
import ssl
import subprocess
import time

CONFIG = """[ca]
default_ca = one
[one]
database = {folder}/{name}.index
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
x509_extensions = {kind}
[any]
commonName = supplied
[client]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
[server]
basicConstraints = critical, CA:false
extendedKeyUsage = serverAuth
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
"""


def run(*words, **more):
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=30, **more).stdout


class ClientCertificate:
    """name is the common name; kind one of client, server, authority; lasts from..until in days from now."""

    def __init__(self, folder, name, *, authority=None, kind="client", lasts=(-1, 2), key=("EC", "ec_paramgen_curve:P-256")):
        base = folder / f"{name.replace(' ', '_')}-{len(list(folder.iterdir()))}"
        self.name, self.key_file, self.file = name, f"{base}.key", f"{base}.pem"
        request, config = f"{base}.csr", folder / f"{base.name}.cnf"
        config.write_text(CONFIG.format(folder=folder, name=base.name, kind=kind))
        (folder / f"{base.name}.index").write_text("")
        run("req", "-new", "-nodes", "-newkey", key[0], "-pkeyopt", key[1], "-subj", f"/CN={name}", "-keyout", self.key_file,
            "-out", request, "-utf8")
        dates = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + days * 86400)) for days in lasts]
        signer = ["-cert", authority.file, "-keyfile", authority.key_file] if authority else \
            ["-selfsign", "-keyfile", self.key_file]
        run("ca", "-batch", "-notext", "-config", config, *signer, "-in", request, "-out", self.file,
            "-startdate", dates[0], "-enddate", dates[1])
        self.fingerprint = hashlib.sha256(run("x509", "-in", self.file, "-outform", "DER")).hexdigest()
        if authority:  # the chain goes along
            with open(self.file, "a", encoding="ascii") as mine, open(authority.file, encoding="ascii") as above:
                mine.write(above.read())

    def line(self):
        """As in a known-clients file."""
        return f"{self.name} {self.fingerprint}\n"

    def context(self, server, version=None):
        """A client's context with this certificate; server is the scripted_keeper.Certificate it trusts."""
        made = ssl.create_default_context(cafile=server.ca_file)
        made.load_cert_chain(self.file, self.key_file)
        if version:
            made.minimum_version = made.maximum_version = version
        return made

    def p12(self, password):
        """A PKCS#12 file, as Java's clients want it."""
        path = self.file.replace(".pem", ".p12")
        run("pkcs12", "-export", "-in", self.file, "-inkey", self.key_file, "-out", path, "-passout", f"pass:{password}")
        return path
