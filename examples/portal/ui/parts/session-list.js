// Where the account is logged in, with a button to end each of the other sessions or all of them.
import { call, callAll, Refusal } from '../api.js';
import { ago, moment } from '../clock.js';
import { withProof } from '../dialogs/prove.js';
import { announce, el } from '../element.js';
import { words } from '../language.js';
import * as session from '../session.js';
import { addressOf, deviceIcon, deviceName } from './client.js';
import { actionButton } from './form.js';
import { notice } from './notice.js';

const SKELETON_ROWS = 2;

export function sessionList(signal) {
  const title = el('h2', { id: 'sessions-title', tabindex: '-1' }, words.sessions.title);
  const messages = el('div', { class: 'messages', role: 'alert' });
  const list = el('ul', { class: 'session-list', 'aria-labelledby': 'sessions-title' });
  const alone = el('p', { class: 'empty', hidden: true }, words.sessions.alone);
  const endOthers = actionButton({
    text: words.sessions.endOthers, busy: words.sessions.ending, kind: 'danger-quiet', hidden: true, failed: fail,
    act: () => end('/sessions', words.sessions.endedOthers),
  });
  const element = el('section', { class: 'panel sessions', 'aria-labelledby': 'sessions-title' },
    el('div', { class: 'panel-head' }, el('div', null, title, el('p', { class: 'panel-intro' }, words.sessions.intro)), endOthers),
    messages, list, alone);

  async function load() {
    messages.replaceChildren();
    if (!list.children.length) list.replaceChildren(...Array.from({ length: SKELETON_ROWS }, skeleton));
    element.setAttribute('aria-busy', 'true');
    try {
      draw((await callAll('/sessions', 'sessions')).found);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      list.replaceChildren();
      const retry = el('button', { type: 'button', class: 'button secondary small', onclick: load }, words.again);
      if (!error.endsSession) messages.append(notice({ kind: 'danger', text: words.sessions.failed, actions: [retry] }));
    } finally {
      element.removeAttribute('aria-busy');
    }
  }

  function draw(sessions) {
    const own = sessions.toSorted((a, b) => Number(b.current) - Number(a.current) || b.last_seen_at.localeCompare(a.last_seen_at));
    const others = own.filter((each) => !each.current).length;
    list.replaceChildren(...own.map(row));
    alone.hidden = others > 0;
    endOthers.hidden = others === 0;
  }

  function row(each) {
    const device = deviceName(each.client);
    return el('li', { class: 'session' },
      deviceIcon(each.client),
      el('div', { class: 'session-what' },
        el('p', { class: 'session-device', title: each.client?.user_agent }, device, each.current && el('span', { class: 'badge' }, words.sessions.current)),
        el('p', { class: 'session-facts' },
          el('span', null, addressOf(each.client)),
          el('span', null, words.sessions.started(moment(each.started_at))),
          !each.current && el('span', null, words.sessions.seen(ago(each.last_seen_at))))),
      !each.current && actionButton({
        text: words.sessions.end, busy: words.sessions.ending, failed: fail, kind: 'secondary small',
        'aria-label': words.sessions.endOf(device, addressOf(each.client)),
        act: () => end(`/sessions/${encodeURIComponent(each.id)}`, words.sessions.ended),
      }));
  }

  async function end(path, said) {
    messages.replaceChildren();
    if (!(await withProof(() => call('DELETE', path)))) return;
    await load();
    announce(said);
    title.focus();
  }

  function fail(refusal) {
    if (refusal.code === 'not_found') return load();
    if (!refusal.endsSession) messages.replaceChildren(notice({ kind: 'danger', refusal }));
  }

  session.changes.addEventListener('renewed', load, { signal });
  load();
  return element;
}

function skeleton() {
  return el('li', { class: 'session', 'aria-hidden': 'true' },
    el('span', { class: 'bone bone-device' }),
    el('div', { class: 'session-what' }, el('span', { class: 'bone bone-line' }), el('span', { class: 'bone bone-line short' })));
}
