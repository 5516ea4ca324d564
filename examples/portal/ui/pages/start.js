// The start page: whose account this is, how long the session lasts, where else it is logged in, and its keypairs.
import { day, moment } from '../clock.js';
import { el } from '../element.js';
import { ring } from '../icon.js';
import { words } from '../language.js';
import { keypairGlance } from '../parts/keypair-glance.js';
import { notice } from '../parts/notice.js';
import { sessionList } from '../parts/session-list.js';
import { extendButton, timeLeft } from '../parts/session-timer.js';
import { shell } from '../parts/shell.js';
import { displayName } from '../parts/user-menu.js';
import * as session from '../session.js';

export function open(_state, signal) {
  const { user, session: own } = session.now();
  shell({
    name: 'start',
    title: words.start.title,
    content: [
      el('div', { class: 'greeting' },
        el('h1', { tabindex: '-1' }, words.start.greeting(displayName(user))),
        el('p', null, words.start.since(moment(own.started_at)))),
      el('div', { class: 'panels' }, accountPanel(user), sessionPanel(own, signal), sessionList(signal), keypairGlance(signal)),
    ],
  }, signal);
}

function accountPanel(user) {
  const { start } = words;
  const fact = (name, value) => el('div', null, el('dt', null, name), el('dd', null, value || start.none));
  return el('section', { class: 'panel', 'aria-labelledby': 'account-title' },
    el('h2', { id: 'account-title' }, start.account),
    el('dl', { class: 'facts' },
      fact(start.fullName, user.full_name),
      fact(start.email, user.email),
      fact(start.username, user.username),
      fact(start.role, start.roles[user.role] ?? user.role),
      fact(start.memberSince, day(user.created_at))));
}

function sessionPanel(own, signal) {
  const { timer } = words;
  const gauge = ring();
  const until = el('p', null);
  const messages = el('div', { class: 'messages', role: 'alert' });
  const fixed = el('p', { class: 'hint' }, timer.fixed);
  const failed = (refusal) => refusal.endsSession || messages.replaceChildren(notice({ kind: 'danger', refusal }));
  const draw = () => {
    gauge.show(session.remainingShare());
    until.textContent = timer.until(moment(session.now().session.expires_at));
    fixed.hidden = session.canExtend();
  };
  draw();
  session.changes.addEventListener('tick', draw, { signal });
  session.changes.addEventListener('changed', draw, { signal });
  return el('section', { class: 'panel', 'aria-labelledby': 'session-title' },
    el('div', { class: 'panel-head' }, el('h2', { id: 'session-title' }, timer.title), el('span', { class: 'badge quiet' }, timer.mode[own.mode] ?? own.mode)),
    el('div', { class: 'gauge' },
      el('div', { class: 'gauge-face' }, gauge.element, el('div', { class: 'gauge-text' }, timeLeft(signal), el('span', { 'aria-hidden': 'true' }, timer.left))),
      el('div', { class: 'gauge-about' },
        until,
        own.idle_expires_at && el('p', { class: 'hint' }, timer.idle),
        fixed,
        extendButton({ signal, failed }))),
    messages);
}
