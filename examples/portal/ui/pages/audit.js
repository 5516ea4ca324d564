// What happened, for administrators: the audit trail, filtered, newest first as far as it was read.
import { call, Refusal } from '../api.js';
import { now } from '../clock.js';
import { announce, el } from '../element.js';
import { words } from '../language.js';
import { administrationPage, demoted } from '../parts/administration.js';
import { accountFilter } from '../parts/account-filter.js';
import { auditEvent } from '../parts/audit-event.js';
import { choiceField } from '../parts/field.js';
import { actionButton } from '../parts/form.js';
import { notice } from '../parts/notice.js';

const HOUR = 3_600_000;
const RANGES = { hour: HOUR, day: 24 * HOUR, week: 7 * 24 * HOUR, month: 30 * 24 * HOUR, all: null };
/** The API has events oldest first: so many calls are made at once to come to the newest. */
const MOST_CALLS = 20;
const MOST_READ = 1_000;
const SHOWN = 50;
const SKELETON_ROWS = 6;

/** `state.range`, `state.name`, `state.outcome` and `state.user` (`{id, name}`) are what is asked for. */
export function open(state, signal) {
  const { audit } = words;
  state.range ??= state.user ? 'all' : 'day';
  administrationPage({ name: 'audit', title: audit.title, intro: audit.intro, content: () => [trail(state)] }, state, signal);
}

function trail(state) {
  const { audit } = words;
  const messages = el('div', { class: 'messages', role: 'alert' });
  const unread = el('div', { class: 'messages', role: 'status' });
  const list = el('ul', { class: 'events', 'aria-label': audit.title });
  const nothing = el('p', { class: 'empty-list', hidden: true }, audit.none);
  const count = el('p', { class: 'hint' });
  const more = actionButton({ text: words.list.more, busy: words.loading, kind: 'secondary small', hidden: true, act: showMore, failed: fail });
  const element = el('section', { class: 'panel list', 'aria-label': audit.title }, filters(), messages, unread, list, nothing, el('div', { class: 'paged-foot' }, count, more));
  let found = [];
  let cursor = null;
  let since = null;
  let reading = null;

  function filters() {
    const choice = (name, label, choices) => choiceField({ name, label, choices, value: state[name] ?? choices[0][0], changed: ({ target }) => ask({ [name]: target.value }) }).element;
    return el('div', { class: 'filters', role: 'search', 'aria-label': audit.filters },
      choice('range', audit.range, Object.keys(RANGES).map((each) => [each, audit.ranges[each]])),
      choice('name', audit.event, [['', audit.anyEvent], ...Object.entries(audit.names).map(([each, text]) => [each, text])]),
      choice('outcome', audit.outcome, [['', audit.anyOutcome], ['success', audit.outcomes.success], ['refusal', audit.outcomes.refusal]]),
      accountFilter({ chosen: state.user, choose: (user) => ask({ user }) }));
  }

  function ask(change) {
    Object.assign(state, change);
    start();
  }

  async function start() {
    found = [];
    cursor = null;
    since = RANGES[state.range] === null ? null : new Date(now() - RANGES[state.range]).toISOString();
    nothing.hidden = true;
    list.replaceChildren(...Array.from({ length: SKELETON_ROWS }, skeleton));
    await read();
  }

  /** Goes on from where reading stopped, up to the end of the trail if that isn't too far. */
  async function read() {
    const asked = Symbol('question');
    reading = asked;
    messages.replaceChildren();
    unread.replaceChildren();
    more.hidden = true;
    count.textContent = '';
    element.setAttribute('aria-busy', 'true');
    const from = found.length;
    try {
      for (let calls = 0; calls < MOST_CALLS && found.length - from < MOST_READ; calls += 1) {
        const { events, next_cursor: next } = await call('GET', `/admin/audit?${query()}`);
        if (reading !== asked) return;
        found.push(...events);
        cursor = next ?? null;
        if (!cursor) break;
      }
      list.replaceChildren();
      showMore();
      announce(found.length ? words.list.shown(list.children.length) : audit.none);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (reading !== asked) return;
      list.replaceChildren();
      await fail(error);
    } finally {
      if (reading === asked) element.removeAttribute('aria-busy');
    }
  }

  function query() {
    const { name, outcome, user } = state;
    return new URLSearchParams({ limit: 200, ...(name && { name }), ...(outcome && { outcome }), ...(user && { user: user.id }), ...(since && { since }), ...(cursor && { after: cursor }) });
  }

  /** The next of what was read, from its end backwards. */
  function showMore() {
    const before = list.children.length;
    const part = found.slice(Math.max(0, found.length - before - SHOWN), found.length - before).reverse();
    list.append(...part.map(auditEvent));
    more.hidden = list.children.length === found.length;
    nothing.hidden = found.length > 0 || cursor !== null;
    count.textContent = found.length ? words.list.shown(list.children.length) : '';
    if (cursor !== null) unread.replaceChildren(notice({ kind: 'info', text: audit.unread(found.length), actions: [actionButton({ text: audit.readOn, busy: words.loading, kind: 'secondary small', act: read, failed: fail })] }));
    if (before && part.length) list.children[before].querySelector('summary').focus();
  }

  async function fail(refusal) {
    if (refusal.endsSession || await demoted(refusal)) return;
    const retry = el('button', { type: 'button', class: 'button secondary small', onclick: start }, words.again);
    messages.replaceChildren(notice({ kind: 'danger', refusal, actions: [retry] }));
  }

  start();
  return element;
}

function skeleton() {
  return el('li', { class: 'event bones', 'aria-hidden': 'true' }, el('span', { class: 'bone bone-line' }), el('span', { class: 'bone bone-line short' }));
}
