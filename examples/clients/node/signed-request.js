// Sends one request signed with a doorwarden keypair (RFC 9421), and prints the reply.
//
//     npm ci
//     export ACCESS_KEY=… SECRET_KEY=…
//     node signed-request.js GET http://127.0.0.1:8080/auth/session
//     node signed-request.js PATCH http://127.0.0.1:8080/auth/account '{"full_name": "Ada"}'

import { createHash, randomBytes } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { createSigner, httpbis } from 'http-message-signatures';

export const COMPONENTS = ['@method', '@authority', '@path', '@query'];
export const WITH_A_BODY = ['content-digest', 'content-type'];

/**
 * Gives a request `{ method, url, headers, body? }` the headers of its signature.
 *
 * The options are for tests: each request needs another nonce and its own time, which is what it gets without them.
 */
export async function sign(request, { accessKey, secretKey }, { created, nonce, components } = {}) {
  const { method, url, body } = request;
  const headers = { ...request.headers };
  let covered = COMPONENTS;
  if (body) {
    headers['Content-Digest'] = `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
    covered = [...COMPONENTS, ...WITH_A_BODY];
  }
  const signed = await httpbis.signMessage(
    {
      key: createSigner(secretKey, 'hmac-sha256', accessKey), // the characters as they were shown; nothing is decoded
      name: 'sig1',
      fields: components ?? covered,
      params: ['created', 'keyid', 'alg', 'nonce', 'tag'],
      paramValues: {
        created: created ?? new Date(),
        nonce: nonce ?? randomBytes(24).toString('base64url'),
        tag: 'doorwarden',
      },
    },
    { method, url, headers },
  );
  return { method, url, headers: signed.headers, body };
}

/** Sends it as it was signed. */
export function send({ method, url, headers, body }) {
  return fetch(url, { method, headers, body });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [method, url, body] = process.argv.slice(2);
  const keypair = { accessKey: process.env.ACCESS_KEY, secretKey: process.env.SECRET_KEY };
  const headers = body ? { 'Content-Type': 'application/json' } : {};
  const reply = await send(await sign({ method, url, headers, body }, keypair));
  console.log(reply.status, await reply.text());
  process.exitCode = reply.ok ? 0 : 1;
}
