"""The instance's metadata service, version 2, as far as credentials go: by its documented contract.

    with contextlib.closing(ImdsServer()) as imds:
        imds.credentials = {...}            # what the role's document says
        watchdog("--credentials=imds", f"--imds-endpoint={imds.url}")
        assert imds.paths[0] == ("PUT", "/latest/api/token")
"""
import datetime
import http.server
import itertools
import threading
import time
import json

ROLE = "nitro-signer-instance"
ROLES = "/latest/meta-data/iam/security-credentials/"


def document(serial=1, lives=3600, code="Success", **more):
    expires = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=lives)
    return {"Code": code, "LastUpdated": "2026-01-31T12:00:00Z", "Type": "AWS-HMAC", "AccessKeyId": f"ASIAIMDS{serial}",
            "SecretAccessKey": f"imds+secret/{serial}", "Token": f"imds-token-{serial}",
            "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"), **more}


class ImdsServer:
    """paths has every request; credentials may be changed at any time (a dictionary, or bytes). role None: none is attached.
    silent: no answer at all, as beyond the hop limit. token_status: of PUT. forget(): no token given so far is good any more."""

    def __init__(self):
        self.credentials, self.role, self.silent, self.token_status = document(), ROLE, False, 200
        self.paths, self._tokens, self._serial, self.statuses = [], set(), itertools.count(1), []
        imds = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self):
                imds.paths.append(("PUT", self.path))
                if imds.silent:
                    time.sleep(30)
                seconds = int(self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", 0))
                if self.path != "/latest/api/token" or not 1 <= seconds <= 21600:
                    return self.answer(400, b"")
                token = f"AQAA-token-{next(imds._serial)}=="
                imds._tokens.add(token)
                return self.answer(imds.token_status, token.encode())

            def do_GET(self):
                imds.paths.append(("GET", self.path))
                if self.headers.get("X-aws-ec2-metadata-token") not in imds._tokens:
                    return self.answer(401, b"Unauthorized")
                if imds.statuses:
                    return self.answer(imds.statuses.pop(0), b"")
                if imds.role is None or self.path not in (ROLES, ROLES + imds.role):
                    return self.answer(404, b"Not Found")
                if self.path == ROLES:
                    return self.answer(200, imds.role.encode() + b"\n")
                body = imds.credentials
                return self.answer(200, body if isinstance(body, bytes) else json.dumps(body, indent=2).encode())

            def answer(self, status, body):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def forget(self):
        self._tokens.clear()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
