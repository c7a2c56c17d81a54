"""LocalStack's own runtime, run by the Python of tests/python/localstack.txt: localstack_server.py starts it.

LocalStack is meant for Python 3.13. Of what its KMS needs, Debian 12's 3.11 lacks one thing: that uuid5 takes bytes (since 3.12).
"""
import hashlib
import runpy
import uuid


def uuid5(namespace, name):
    name = name.encode() if isinstance(name, str) else name
    return uuid.UUID(bytes=hashlib.sha1(namespace.bytes + name).digest()[:16], version=5)


uuid.uuid5 = uuid5
runpy.run_module("localstack.runtime.main", run_name="__main__")
