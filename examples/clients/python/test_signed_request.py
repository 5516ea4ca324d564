"""The cases that clients of all languages are tried on, sent by this one. ../drive.py starts the service."""

import datetime
import json
import os
import pathlib
import secrets
import unittest

import requests

from signed_request import COMPONENTS, WITH_A_BODY, Keypair

CASES = json.loads((pathlib.Path(__file__).parent.parent / "cases.json").read_text())
SERVICE = json.loads(os.environ["SERVICE"])


def prepared(method, target, body):
    headers = {"Content-Type": "application/json"} if body else {}
    return requests.Request(method, SERVICE["url"] + target, data=body and body.encode(), headers=headers).prepare()


def signed(case, nonce):
    request = prepared(case["method"], case["target"], case.get("body"))
    created = datetime.datetime.now() + datetime.timedelta(seconds=case.get("clock", 0))
    components = COMPONENTS + (WITH_A_BODY if case.get("body") else ())
    components = [component for component in components if component != case.get("without")]
    keypair = Keypair(**SERVICE["keypairs"][case.get("keypair", "own")])
    return keypair.sign(request, created=created, nonce=nonce, components=components)


def as_sent(request, case):
    """The request that arrives: as it was signed, or with something else in it."""
    sent = case.get("sent", {})
    if "target" in sent:
        request.url = SERVICE["url"] + sent["target"]
    if "method" in sent:
        request.method = sent["method"]
    if "body" in sent:
        request.body = sent["body"].encode()
    return request


class SignedRequests(unittest.TestCase):
    def test_every_case(self):
        self.assertGreater(len(CASES), 20)
        for case in CASES:
            with self.subTest(case["case"]), requests.Session() as session:
                nonce = case.get("nonce", secrets.token_urlsafe(24))
                request = signed(case, nonce)
                if "twice" in case:
                    self.assertEqual(session.send(request).status_code, 200, "the first time")
                    request = request if case["twice"] == "request" else signed(case, nonce)
                reply = session.send(as_sent(request, case))
                code = None if reply.ok else reply.json()["code"]
                self.assertEqual((reply.status_code, code), (case["status"], case.get("code")), reply.text)


if __name__ == "__main__":
    unittest.main()
