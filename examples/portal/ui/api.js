// One call of the JSON API. An answer that refuses becomes a `Refusal`, with the code of its problem document.
import { learnServerTime } from './clock.js';

const PREFIX = document.querySelector('meta[name="api-prefix"]').content;
const PATIENCE = 30_000;
const ENDS_SESSION = new Set(['session_required', 'session_expired', 'session_idle', 'session_ended', 'session_ended_elsewhere']);

export class Refusal extends Error {
  constructor(problem, status = 0, retryAfter = null) {
    super(problem.detail ?? problem.code);
    this.code = problem.code;
    this.status = status;
    this.detail = problem.detail;
    this.field = problem.field;
    this.unmet = problem.unmet ?? [];
    this.reference = problem.reference;
    this.recoveryCodes = problem.recovery_codes ?? [];
    this.retryAfterSeconds = problem.retry_after_seconds ?? retryAfter;
  }

  /** Whether it says that the browser isn't logged in (any more). */
  get endsSession() {
    return this.status === 401 && ENDS_SESSION.has(this.code);
  }
}

/** Tells `answered` and `refused` of every call, so that the session's timer and its end are known in one place. */
export const calls = new EventTarget();

export async function call(method, path, body) {
  let response;
  try {
    response = await fetch(PREFIX + path, {
      method,
      credentials: 'same-origin',
      cache: 'no-store',
      redirect: 'error',
      headers: body === undefined ? { accept: 'application/json' } : { accept: 'application/json', 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE),
    });
  } catch {
    throw new Refusal({ code: 'unreachable' });
  }
  learnServerTime(response.headers.get('date'));
  const data = await json(response);
  if (response.ok) {
    calls.dispatchEvent(new Event('answered'));
    return data;
  }
  const refusal = new Refusal(data?.code ? data : { code: 'unavailable' }, response.status, seconds(response.headers.get('retry-after')));
  calls.dispatchEvent(new CustomEvent('refused', { detail: refusal }));
  throw refusal;
}

/** The items of a whole list, page by page, as far as `pages` go; `more` says that there is still more. */
export async function callAll(path, items, pages = 5) {
  const found = [];
  let cursor = null;
  for (let page = 0; page < pages; page += 1) {
    const answer = await call('GET', cursor ? `${path}?cursor=${encodeURIComponent(cursor)}` : path);
    found.push(...answer[items]);
    cursor = answer.next_cursor;
    if (!cursor) break;
  }
  return { found, more: Boolean(cursor) };
}

async function json(response) {
  if (!/\bjson\b/.test(response.headers.get('content-type') ?? '')) return null;
  try {
    return await response.json();
  } catch {
    return null;
  }
}

const seconds = (header) => (/^\d+$/.test(header ?? '') ? Number(header) : null);
