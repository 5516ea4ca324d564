// A page behind a mailed link about an account's address: what it would do, one button that does it, no login.
import { call, Refusal } from '../api.js';
import { ago, moment } from '../clock.js';
import { el } from '../element.js';
import { words } from '../language.js';
import { go } from '../page.js';
import { card } from './card.js';
import { addressOf, deviceName } from './client.js';
import { facts } from './facts.js';
import { actionButton } from './form.js';
import { linkInvalid } from './link-invalid.js';
import { notice } from './notice.js';

/** `state` keeps what the server showed, for drawing the page again; `done(shown)` goes on. */
export async function emailLinkPage({ page, path, state, signal, text, done }) {
  if (!state.token) return gone(state, text);
  if (!state.shown) {
    card({ title: text.title, body: [el('p', { class: 'intro', role: 'status' }, words.loading)] });
    try {
      state.shown = await call('POST', `${path}/show`, { token: state.token });
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      if (signal.aborted) return;
      if (refusal.code === 'link_invalid') return gone(state, text);
      const again = el('button', { type: 'button', class: 'button primary wide', onclick: () => go(page, state) }, words.again);
      return card({ title: text.title, body: [notice({ kind: 'danger', refusal }), again] });
    }
    if (signal.aborted) return;
  }
  const { shown } = state;
  const messages = el('div', { class: 'messages', role: 'alert' });
  const act = actionButton({
    text: text.submit, busy: text.busy, kind: 'primary wide',
    async act() {
      await call('POST', path, { token: state.token });
      state.token = null;
      await done(shown);
    },
    failed: (refusal) => (refusal.code === 'link_invalid' ? gone(state, text) : messages.replaceChildren(notice({ kind: 'danger', refusal }))),
  });
  card({
    title: text.title,
    intro: text.intro,
    body: [
      facts([
        [text.email, shown.email],
        [text.replaces, shown.replaces],
        [text.at, `${moment(shown.at)} (${ago(shown.at)})`],
        shown.client && [words.verify.from, addressOf(shown.client)],
        shown.client && [words.verify.device, deviceName(shown.client)],
        [words.verify.until, moment(shown.expires_at)],
      ]),
      messages,
      act,
      el('p', { class: 'hint' }, text.note),
    ],
  });
}

function gone(state, text) {
  state.token = null;
  linkInvalid({ advice: text.gone });
}
