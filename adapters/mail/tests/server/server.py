"""A mail server for the tests, as a process of its own: aiosmtpd, told what to do by its arguments and recipients.

later@ is refused for now once, never@ for good. Each mail that is taken becomes a file.
"""

import argparse
import asyncio
import pathlib
import ssl

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, default=0)
arguments.add_argument("--folder", type=pathlib.Path, required=True)
arguments.add_argument("--encryption", choices=["none", "starttls", "tls"], default="none")
arguments.add_argument("--certificate")
arguments.add_argument("--key")
arguments.add_argument("--login", help="USER:PASSWORD that is asked for")
arguments.add_argument("--hold", action="store_true", help="never answer a mail's text")
options = arguments.parse_args()


class Handler:
    def __init__(self):
        self.refused = set()
        self.taken = 0

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        local = address.rsplit("@", 1)[0]
        if local == "never":
            return "550 5.1.1 no such mailbox"
        if local == "later" and address not in self.refused:
            self.refused.add(address)
            return "451 4.7.1 come later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        if options.hold:
            (options.folder / "held").touch()
            await asyncio.sleep(3600)
        encrypted = server.transport.get_extra_info("ssl_object") is not None
        user = session.auth_data.login.decode() if session.auth_data else "-"
        head = f"to={','.join(envelope.rcpt_tos)} encrypted={encrypted} user={user}\n"
        self.taken += 1
        # Whole or not at all, for whoever looks into the folder.
        draft = options.folder / ".draft"
        draft.write_bytes(head.encode() + envelope.content)
        draft.rename(options.folder / f"{options.port}-{self.taken}.eml")
        return "250 2.6.0 taken"


def authenticate(server, session, envelope, mechanism, data):
    given = f"{data.login.decode()}:{data.password.decode()}" if isinstance(data, LoginPassword) else ""
    return AuthResult(success=given == options.login, handled=False, auth_data=data)


def context():
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(options.certificate, options.key)
    return tls


async def main():
    settings = {"enable_SMTPUTF8": True, "hostname": "mail.example.org"}
    if options.login:
        settings |= {"authenticator": authenticate, "auth_required": True}
        settings |= {"auth_require_tls": options.encryption == "starttls"}
    if options.encryption == "starttls":
        settings |= {"tls_context": context(), "require_starttls": True}
    handler = Handler()
    wrapped = context() if options.encryption == "tls" else None
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, **settings), "127.0.0.1", options.port, ssl=wrapped)
    options.port = server.sockets[0].getsockname()[1]
    print(f"listening {options.port}", flush=True)
    await server.serve_forever()


asyncio.run(main())
