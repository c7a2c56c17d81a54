"""Fills tables as the scripts and the Lambda of the system that we replace do: Amazon's boto3 for KMS and DynamoDB, the Python package
cryptography for the TLS key. Run by the Python of scripts/setup; nothing of ours takes part.

    old_items.py < JOB      a JSON object: kms_port (of KMS on loopback), dynamodb (URL), ca_file, region, credentials, key_arn, validator_table, tls_table, stack,
                            names, friendly_name, encryption (of the PKCS#12 file), validators: [{keystore, password, mnemonic, deposit, chain,
                            active, web3signer_uuid}]

Prints the certificate that the TLS table's cert_pem holds.
"""
import base64
import datetime
import ipaddress
import json
import secrets
import socket
import sys

import boto3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

JOB = json.load(sys.stdin)


def at_port(lookup=socket.getaddrinfo):
    """KMS's name leads to kms_port: what is signed is then what goes to AWS."""
    def find(host, port, *rest, **options):
        return lookup("127.0.0.1", JOB["kms_port"], *rest, **options) if host.startswith("kms.") else lookup(host, port, *rest, **options)
    return find


def client(make, service, url):
    return make(service, endpoint_url=url, region_name=JOB["region"], verify=JOB["ca_file"], aws_access_key_id=JOB["credentials"]["access_key_id"],
                aws_secret_access_key=JOB["credentials"]["secret_access_key"], aws_session_token=JOB["credentials"].get("token"))


socket.getaddrinfo = at_port()
KMS = client(boto3.client, "kms", None)
TABLES = client(boto3.resource, "dynamodb", JOB["dynamodb"])


def b64(value):
    return base64.standard_b64encode(value if isinstance(value, bytes) else value.encode()).decode()


def encrypt(**members):
    return b64(KMS.encrypt(KeyId=JOB["key_arn"], Plaintext=json.dumps(members).encode())["CiphertextBlob"])


def create(name, *keys):
    TABLES.create_table(TableName=name, BillingMode="PAY_PER_REQUEST",
                        KeySchema=[{"AttributeName": attribute, "KeyType": kind} for attribute, _, kind in keys],
                        AttributeDefinitions=[{"AttributeName": attribute, "AttributeType": form} for attribute, form, _ in keys])


def put_validators():
    create(JOB["validator_table"], ("web3signer_uuid", "S", "HASH"), ("pubkey", "S", "RANGE"))
    table = TABLES.Table(JOB["validator_table"])
    for one in JOB["validators"]:
        table.put_item(Item={
            "web3signer_uuid": one["web3signer_uuid"], "pubkey": one["keystore"]["pubkey"].removeprefix("0x"), "chain": one["chain"],
            "encrypted_key_password_mnemonic_b64": encrypt(keystore_b64=b64(json.dumps(one["keystore"])), password_b64=b64(one["password"]),
                                                           mnemonic_b64=b64(one["mnemonic"])),
            "deposit_json_b64": b64(json.dumps([one["deposit"]])), "datetime": datetime.datetime.now().isoformat(), "active": one["active"]})


def certificate_of(key):
    """Self-signed for ten years; the names as DNS names, and 127.0.0.1 as an address too."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, JOB["names"][0])])
    begin = datetime.datetime.now(datetime.timezone.utc)
    return (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1000)
            .not_valid_before(begin).not_valid_after(begin + datetime.timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), False)
            .add_extension(x509.SubjectAlternativeName([*map(x509.DNSName, JOB["names"]), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
            .sign(key, hashes.SHA256()))


def encryption(password):
    """best: what this release of cryptography chooses; 3des: what it chose with OpenSSL 1.1, until 2022."""
    if JOB["encryption"] == "best":
        return serialization.BestAvailableEncryption(password)
    return (serialization.PrivateFormat.PKCS12.encryption_builder().kdf_rounds(20000)
            .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC).hmac_hash(hashes.SHA1()).build(password))


def put_tls_key():
    create(JOB["tls_table"], ("key_id", "N", "HASH"))
    key, password = ec.generate_private_key(ec.SECP256R1()), secrets.token_urlsafe(32)
    certificate = certificate_of(key)
    keystore = pkcs12.serialize_key_and_certificates(JOB["friendly_name"].encode(), key, certificate, None, encryption(password.encode()))
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    TABLES.Table(JOB["tls_table"]).put_item(Item={"key_id": 1, "cert_pem": b64(pem), "encrypted_tls_key_b64": encrypt(
        tls_password_b64=b64(password), tls_keystore_b64=b64(keystore))})
    print(pem.decode(), end="")


put_validators()
put_tls_key()
