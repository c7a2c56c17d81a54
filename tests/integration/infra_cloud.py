"""AWS as moto has it, for infra/deploy: run by the Python of scripts/setup, not by the tests' own.

    infra_cloud.py

Prints its URL when it listens, and ends when standard input does. What moto lacks for the CDK is added here (infra/README.md lists it): a template's URL with an
address for a host, and a container registry to push to, which keeps what it gets only under the digest that this has, and only from whom it gave a token.
What is in it is told under /test/registry.
"""
import base64
import hashlib
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import moto.cloudformation.responses as responses
import moto.ecr.models as ecr
import moto.ecr.responses as ecr_responses
import moto.elbv2.models as elbv2
import moto.kms.models as kms
from moto.server import ThreadedMotoServer

blobs, manifests, refusals = {}, {}, []
real_template = responses.get_stack_from_s3_url
# moto looks for the bucket's name in the path of a URL where the host is called so.
responses.get_stack_from_s3_url = lambda url, **rest: real_template(url.replace("127.0.0.1", "localhost"), **rest)


class Registry(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def do_GET(self):
        if self.path == "/test/registry":
            told = {"blobs": list(blobs), "refusals": refusals,
                    "manifests": {name: "sha256:" + hashlib.sha256(bytes_).hexdigest() for name, bytes_ in manifests.items()}}
            return self.answer(200, json.dumps(told).encode())
        if not self.admitted():
            return None
        digest = self.path.rpartition("/")[2]
        known = blobs.get(digest) if "/blobs/" in self.path else manifests.get(self.path) if "/manifests/" in self.path else b""
        return self.answer(200 if known is not None else 404, known or b"")

    do_HEAD = do_GET

    def admitted(self):
        if self.headers.get("Authorization") == "Basic " + base64.b64encode(b"AWS:123456789012-auth-token").decode():
            return True
        self.body()
        refusals.append(self.path)
        self.answer(401, WWW_Authenticate='Basic realm="registry"')
        return False

    def do_POST(self):
        if self.admitted():
            self.body()
            self.answer(202, Location=self.path.rstrip("/") + "/one", Docker_Upload_UUID="one")

    def do_PATCH(self):
        if self.admitted():
            self.server.part = self.body()
            self.answer(202, Location=self.path, Range=f"0-{len(self.server.part)}")

    def do_PUT(self):
        if not self.admitted():
            return
        body = self.body()
        if "/manifests/" in self.path:
            manifests[self.path] = body
            return self.answer(201, Docker_Content_Digest="sha256:" + hashlib.sha256(body).hexdigest())
        body = self.server.part + body
        digest = re.search(r"digest=(sha256(?::|%3A)[0-9a-f]{64})", self.path)[1].replace("%3A", ":")
        if digest != "sha256:" + hashlib.sha256(body).hexdigest():
            return self.answer(400)
        blobs[digest] = body
        return self.answer(201)


registry = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
threading.Thread(target=registry.serve_forever, daemon=True).start()
PLACE = "127.0.0.1:%d" % registry.server_address[1]

real_repository = ecr.Repository.__init__


def repository(self, *arguments, **named):
    real_repository(self, *arguments, **named)
    self.uri = f"{PLACE}/{self.name}"


ecr.Repository.__init__ = repository
real_token = ecr_responses.ECRResponse.get_authorization_token


def token(self):
    answer = real_token(self)
    for each in answer.result["authorizationData"]:
        each["proxyEndpoint"] = f"https://{PLACE}"
    return answer


ecr_responses.ECRResponse.get_authorization_token = token

# Its CloudFormation makes load balancers for HTTP alone, and leaves a key's policy a dictionary that never changes.
real_balancer = elbv2.ELBv2Backend.create_load_balancer
elbv2.ELBv2Backend.create_load_balancer = lambda self, *arguments, **named: real_balancer(
    self, *arguments, **{"loadbalancer_type": "network", **named})
real_key = kms.Key.create_from_cloudformation_json.__func__


def make_key(cls, name, template, *arguments, **named):
    properties = {**template["Properties"], "KeyPolicy": json.dumps(template["Properties"]["KeyPolicy"])}
    return real_key(cls, name, {**template, "Properties": {**properties, "Tags": []}}, *arguments, **named)


def update_key(_cls, original_resource, cloudformation_json, **_):
    original_resource.policy = json.dumps(cloudformation_json["Properties"]["KeyPolicy"])
    return original_resource


kms.Key.create_from_cloudformation_json = classmethod(make_key)
kms.Key.update_from_cloudformation_json = classmethod(update_key)

moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
moto.start()
print(json.dumps({"url": "http://%s:%d" % moto.get_host_and_port(), "registry": PLACE}), flush=True)
sys.stdin.read()
