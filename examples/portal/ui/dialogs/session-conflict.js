// The account is logged in elsewhere: end that session and go on, or leave it alone.
import { call } from '../api.js';
import { ago, moment } from '../clock.js';
import { el } from '../element.js';
import { icon } from '../icon.js';
import { words } from '../language.js';
import { takeStep, ticketGone } from '../login-steps.js';
import { go } from '../page.js';
import { addressOf, deviceIcon, deviceName } from '../parts/client.js';
import { actionButton } from '../parts/form.js';
import { openModal } from '../parts/modal.js';
import { notice } from '../parts/notice.js';

export function openSessionConflict({ ticket, sessions }) {
  const { conflict } = words;
  let decided = false;
  const messages = el('div', { class: 'messages', role: 'alert' });
  const fail = (refusal) => ticketGone(refusal) || messages.replaceChildren(notice({ kind: 'danger', refusal }));
  const proceed = actionButton({
    text: sessions.length > 1 ? conflict.proceedMany : conflict.proceed, busy: conflict.busy, kind: 'primary', failed: fail,
    async act() {
      const step = await call('POST', '/login/takeover', { ticket, proceed: true });
      decided = true;
      modal.close();
      await takeStep(step);
    },
  });
  const cancel = el('button', { type: 'button', class: 'button secondary', onclick: () => modal.close() }, words.cancel);
  const modal = openModal({
    title: conflict.title,
    urgent: true,
    closed: () => decided || keep(ticket),
    body: [
      el('p', { class: 'intro' }, sessions.length > 1 ? conflict.many(sessions.length) : conflict.one),
      el('ul', { class: 'session-list' }, ...sessions.map(row)),
      el('p', { class: 'advice' }, icon('info'), el('span', null, conflict.warning)),
      messages,
      el('div', { class: 'modal-actions' }, cancel, proceed),
    ],
  });
}

/** The ticket is given back; should that fail, it lapses by itself. */
async function keep(ticket) {
  const cancelled = call('POST', '/login/takeover', { ticket, proceed: false }).catch(() => {});
  await go('login', { ended: 'kept' });
  await cancelled;
}

function row({ client, started_at, last_seen_at }) {
  return el('li', { class: 'session' },
    deviceIcon(client),
    el('div', { class: 'session-what' },
      el('p', { class: 'session-device' }, deviceName(client)),
      el('p', { class: 'session-facts' },
        el('span', null, addressOf(client)),
        el('span', null, words.sessions.started(moment(started_at))),
        last_seen_at && el('span', null, words.sessions.seen(ago(last_seen_at))))));
}
