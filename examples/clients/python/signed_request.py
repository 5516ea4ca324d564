"""Sends one request signed with a doorwarden keypair (RFC 9421), and prints the reply.

    pip install -r requirements.txt
    export ACCESS_KEY=… SECRET_KEY=…
    python signed_request.py GET http://127.0.0.1:8080/auth/session
    python signed_request.py PATCH http://127.0.0.1:8080/auth/account '{"full_name": "Ada"}'
"""

import base64
import hashlib
import os
import secrets
import sys

import requests
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver, algorithms

COMPONENTS = ("@method", "@authority", "@path", "@query")
WITH_A_BODY = ("content-digest", "content-type")


class Keypair(requests.auth.AuthBase, HTTPSignatureKeyResolver):
    """Signs each request that it is given to: `requests.get(url, auth=Keypair(access_key, secret_key))`."""

    def __init__(self, access_key, secret_key):
        self.access_key = access_key
        self.secret_key = secret_key

    def resolve_private_key(self, key_id):
        return self.secret_key.encode()  # the characters as they were shown; nothing is decoded

    def __call__(self, request):
        return self.sign(request)

    def sign(self, request, *, created=None, nonce=None, components=None):
        covered = COMPONENTS
        if request.body:
            body = request.body if isinstance(request.body, bytes) else request.body.encode()
            digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
            request.headers["Content-Digest"] = f"sha-256=:{digest}:"
            covered += WITH_A_BODY
        signer = HTTPMessageSigner(signature_algorithm=algorithms.HMAC_SHA256, key_resolver=self)
        signer.sign(
            request,
            key_id=self.access_key,
            created=created,  # now, if left out
            nonce=nonce or secrets.token_urlsafe(24),  # another one for each request
            label="sig1",
            tag="doorwarden",
            covered_component_ids=components or covered,
        )
        return request


def main(method, url, body=None):
    keypair = Keypair(os.environ["ACCESS_KEY"], os.environ["SECRET_KEY"])
    headers = {"Content-Type": "application/json"} if body else {}
    reply = requests.request(method, url, data=body and body.encode(), headers=headers, auth=keypair, timeout=30)
    print(reply.status_code, reply.text)
    return 0 if reply.ok else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
