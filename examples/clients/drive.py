"""Starts a portal on an empty folder, makes an account and keypairs, and runs the tests of each client against it.

    python drive.py PORTAL PYTHON NODE

PORTAL is the program to start; PYTHON and NODE run the clients and have their libraries. `cargo xtask test --only
clients` builds and installs all of it.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
EMAIL, PASSWORD = "ada@example.org", "correct horse 1!"
CONFIGURATION = 'mail.transport = "none"\npassword.bcrypt_cost = 4\n'


@contextlib.contextmanager
def portal(program):
    """The address of a portal that runs as long as the block does, and its first administrator's token."""
    with tempfile.TemporaryDirectory() as folder:
        configuration = pathlib.Path(folder) / "auth.toml"
        configuration.write_text(CONFIGURATION)
        command = [program, "--listen", "127.0.0.1:0", "--config", str(configuration)]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield listening(process)
            finally:
                process.terminate()


def listening(process):
    address = token = None
    for line in process.stdout:
        if line.startswith("listening on "):
            address = line.removeprefix("listening on ").strip()
        if "/first-administrator?token=" in line:
            token = line.split("token=")[1].split()[0]
        if address and token:
            return address, token
    raise SystemExit(f"the portal ended with {process.wait()} before it listened")


def call(url, method="POST", body=None, bearer=None):
    headers = {"Content-Type": "application/json"} if body is not None else {}
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=30) as reply:
        text = reply.read()
    return json.loads(text) if text else None


def service(address, token):
    """What the clients are told: where the service is, and whose keys there are."""
    started = int(time.time())
    call(f"{address}/auth/first-administrator", body={"token": token, "email": EMAIL, "password": PASSWORD})
    login = {"identifier": EMAIL, "password": PASSWORD, "want": "token"}
    session = call(f"{address}/auth/login", body=login)["token"]

    def keypair():
        made = call(f"{address}/auth/keypairs", body={}, bearer=session)
        return {"access_key": made["access_key"], "secret_key": made["secret_key"]}

    own, other, inactive = keypair(), keypair(), keypair()
    call(f"{address}/auth/keypairs/{inactive['access_key']}", "PATCH", {"active": False}, session)
    keypairs = {
        "own": own,
        "wrong": {**own, "secret_key": other["secret_key"]},
        "unknown": {**own, "access_key": own["access_key"][::-1]},
        "inactive": inactive,
    }
    # A request that is dated before the store was begun is refused, and signatures count in whole seconds.
    while int(time.time()) <= started:
        time.sleep(0.01)
    return {"url": address, "keypairs": keypairs}


def main(program, python, node):
    with portal(program) as (address, token):
        told = {**os.environ, "SERVICE": json.dumps(service(address, token))}
        clients = {
            "python": [python, "-m", "unittest", "-v"],
            "node": [node, "--test", "--test-reporter=spec"],
        }
        for name, command in clients.items():
            print(f"-- {name}", flush=True)
            failed = subprocess.run(command, cwd=HERE / name, env=told, check=False).returncode
            if failed:
                return failed
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
