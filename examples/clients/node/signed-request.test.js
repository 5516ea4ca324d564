// The cases that clients of all languages are tried on, sent by this one. ../drive.py starts the service.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { COMPONENTS, WITH_A_BODY, send, sign } from './signed-request.js';

const CASES = JSON.parse(readFileSync(new URL('../cases.json', import.meta.url), 'utf8'));
const SERVICE = JSON.parse(process.env.SERVICE);

function signed(wanted, nonce) {
  const { method, target, body, without, clock = 0, keypair = 'own' } = wanted;
  const headers = body ? { 'Content-Type': 'application/json' } : {};
  const components = [...COMPONENTS, ...(body ? WITH_A_BODY : [])].filter((component) => component !== without);
  const { access_key: accessKey, secret_key: secretKey } = SERVICE.keypairs[keypair];
  const created = new Date(Date.now() + clock * 1000);
  const request = { method, url: SERVICE.url + target, headers, body };
  return sign(request, { accessKey, secretKey }, { created, nonce, components });
}

// The request that arrives: as it was signed, or with something else in it.
function asSent(request, { sent = {} }) {
  const { target, ...other } = sent;
  return { ...request, ...other, ...(target && { url: SERVICE.url + target }) };
}

test('there are cases', () => assert.ok(CASES.length > 20));

for (const wanted of CASES) {
  test(wanted.case, async () => {
    const nonce = wanted.nonce ?? randomBytes(24).toString('base64url');
    let request = await signed(wanted, nonce);
    if (wanted.twice) {
      assert.equal((await send(request)).status, 200, 'the first time');
      request = wanted.twice === 'request' ? request : await signed(wanted, nonce);
    }
    const reply = await send(asSent(request, wanted));
    const text = await reply.text();
    const code = reply.ok ? undefined : JSON.parse(text).code;
    assert.deepEqual([reply.status, code], [wanted.status, wanted.code], text);
  });
}
