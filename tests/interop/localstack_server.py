"""LocalStack's KMS on loopback, by HTTPS with a certificate of the test's own for AWS's name: another implementation of KMS's
answers to a recipient, by people who never saw ours. It verifies neither signatures nor attestation documents nor key policies."""
import base64
import json
import pathlib

from dynamodb_relay import Authority
from harness import free_port
from key_servers import Server
from python_tools import python_tool

REGION, ACCOUNT = "us-east-1", "000000000000"
HOST = f"kms.{REGION}.amazonaws.com"


class Vouched:
    """What Server wants to know of a certificate."""

    def __init__(self, file):
        self.file = file


class LocalStack(Server):
    def __init__(self, folder):
        folder = pathlib.Path(folder)
        authority, port = Authority(folder, (f"DNS:{HOST}", "DNS:localhost", "IP:127.0.0.1")), free_port()
        self.ca_file = authority.ca_file
        both = folder / "localstack.pem"
        both.write_text(authority.key.read_text() + authority.certificate.read_text())
        command = [python_tool("python", "localstack"), pathlib.Path(__file__).with_name("localstack_driver.py")]
        quiet = {"DISABLE_EVENTS": "1", "SKIP_SSL_CERT_DOWNLOAD": "1", "DNS_ADDRESS": "0", "SERVICES": "kms"}  # nothing leaves this machine
        places = {name: str(folder) for name in ("HOME", "XDG_CACHE_HOME", "LOCALSTACK_VOLUME_DIR", "TMPDIR")}
        super().__init__(Vouched(self.ca_file), command, port, folder,
                         {"GATEWAY_LISTEN": f"127.0.0.1:{port}", "CUSTOM_SSL_CERT_PATH": str(both), **quiet, **places})
        self.await_answer("/_localstack/health")

    def kms(self, operation, **body):
        scope = f"AKIDLOCALTESTS/20260101/{REGION}/kms/aws4_request"
        return self.request("POST", "/", body, {"X-Amz-Target": f"TrentService.{operation}", "Content-Type": "application/x-amz-json-1.1",
                                                "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00"})

    def create_key(self):
        return self.kms("CreateKey")["KeyMetadata"]["Arn"]

    def encrypt(self, key, plaintext):
        return self.kms("Encrypt", KeyId=key, Plaintext=base64.b64encode(plaintext).decode())["CiphertextBlob"]

    def opened(self):
        """How many ciphertexts it has opened."""
        return self._log_path.read_text().count("AWS kms.Decrypt => 200")

    def decrypt_for(self, key, ciphertext, document):
        return self.kms("Decrypt", KeyId=key, CiphertextBlob=ciphertext, EncryptionAlgorithm="SYMMETRIC_DEFAULT", Recipient={
            "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": base64.b64encode(document).decode()})
