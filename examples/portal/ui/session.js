// The session of this browser: whose it is, when it ends, and how all open tabs learn of its end, its extension and a new login.
//
//   (none) ──adopt──▶ live ──two minutes left──▶ warned ──extend──▶ live
//                      └───────────── end ◀── time over, log-out, a refusal, another tab
import { call, calls } from './api.js';
import { now as serverNow } from './clock.js';
import { options } from './options.js';

const WARNING = 120_000;
const TICK = 1_000;
const channel = new BroadcastChannel('doorwarden');
let live = null;
let ticking = null;
let asking = false;

/** Tells `tick`, `changed`, `renewed`, `warning`, `ended` (with `code`) and `logged-in-elsewhere`. */
export const changes = new EventTarget();

/** `{user, session, endsAt, limit}` while logged in, else null; `limit` says which limit comes first, `lifetime` or `idle`. */
export const now = () => live;

export async function restore() {
  const { user, session } = await call('GET', '/session');
  adopt(user, session);
}

/** After the session went on under another id and token. */
export async function renew() {
  await restore();
  tell('renewed');
}

/** Takes over what a login or a look-up answered. */
export function adopt(user, session) {
  live = { user, session, expiresAt: Date.parse(session.expires_at), idleFor: idleTime(session) };
  live.idleEndsAt = live.idleFor === null ? Infinity : serverNow() + live.idleFor;
  live.warnAt = WARNING;
  reckon();
  ticking ??= setInterval(tick, TICK);
  tell('changed');
  tick();
}

/** After a login: other tabs that show the login dialog go on by themselves. */
export function announceLogin() {
  channel.postMessage({ kind: 'logged_in' });
}

export const remainingSeconds = () => (live ? Math.max(0, live.endsAt - serverNow()) / 1000 : 0);

/** What of the time between login (or the last extension) and the end is left, from 1 to 0. */
export function remainingShare() {
  const whole = live.limit === 'idle' ? live.idleFor : live.expiresAt - (live.extendedAt ?? Date.parse(live.session.started_at));
  return whole > 0 ? (remainingSeconds() * 1000) / whole : 0;
}

export const canExtend = () => Boolean(live?.session.extendable && options.session.extendable);

/** Starts the timer again. Where only idleness would end the session, any call does. */
export async function extend() {
  if (live.limit === 'idle' && !canExtend()) return restore();
  try {
    const { expires_at } = await call('POST', '/session/extend');
    extended(expires_at);
    channel.postMessage({ kind: 'extended', expires_at });
  } catch (refusal) {
    if (refusal.code === 'not_extendable') {
      live.session.extendable = false;
      tell('changed');
    }
    throw refusal;
  }
}

export async function logOut() {
  try {
    await call('POST', '/logout');
  } catch (refusal) {
    if (!refusal.endsSession) throw refusal;
  }
  end('logged_out');
}

/** After the account is gone. */
export const deleted = () => end('account_deleted');

function extended(expiresAt) {
  const before = live.expiresAt;
  live.expiresAt = Date.parse(expiresAt);
  live.session.expires_at = expiresAt;
  live.extendedAt = serverNow();
  // Where a whole session is shorter than the warning's time, it would come back at once.
  live.warnAt = Math.min(WARNING, (live.expiresAt - live.extendedAt) / 4);
  if (live.expiresAt <= before) live.warnAt = 0;
  reckon();
  tell('changed');
}

/** Every answered call counts as activity on the server, so it does here. */
function active() {
  if (!live || live.idleFor === null) return;
  live.idleEndsAt = serverNow() + live.idleFor;
  reckon();
}

function reckon() {
  live.endsAt = Math.min(live.expiresAt, live.idleEndsAt);
  live.limit = live.idleEndsAt < live.expiresAt ? 'idle' : 'lifetime';
}

function tick() {
  if (!live) return;
  const left = live.endsAt - serverNow();
  tell('tick');
  if (left <= 0) return timeOver();
  if (left <= live.warnAt) {
    live.warnAt = 0;
    tell('warning');
  }
}

/** The server has the last word: another tab may have extended the session. */
async function timeOver() {
  if (asking) return;
  asking = true;
  const code = live.limit === 'idle' ? 'session_idle' : 'session_expired';
  try {
    await restore();
  } catch {
    if (live) end(code);
  } finally {
    asking = false;
  }
}

function end(code) {
  const message = { kind: 'ended', code };
  if (!live) return;
  forget(code);
  channel.postMessage(message);
}

function forget(code) {
  live = null;
  clearInterval(ticking);
  ticking = null;
  tell('ended', { code });
}

const idleTime = ({ idle_expires_at: at }) => (at ? Math.max(0, Date.parse(at) - serverNow()) : null);
const tell = (name, detail) => changes.dispatchEvent(new CustomEvent(name, { detail }));

channel.addEventListener('message', ({ data }) => {
  if (data.kind === 'logged_in') tell('logged-in-elsewhere');
  if (!live) return;
  if (data.kind === 'extended') extended(data.expires_at);
  if (data.kind === 'active') active();
  if (data.kind === 'ended') forget(data.code === 'logged_out' ? 'logged_out_elsewhere' : data.code);
});
calls.addEventListener('answered', () => {
  if (!live) return;
  active();
  if (live.idleFor !== null) channel.postMessage({ kind: 'active' });
});
calls.addEventListener('refused', ({ detail }) => detail.endsSession && end(detail.code));
document.addEventListener('visibilitychange', tick);
