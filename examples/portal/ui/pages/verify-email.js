// The page behind the link in the mail: shows what was asked, by whom and when, and acts only on a click. It doesn't log in.
import { call, Refusal } from '../api.js';
import { ago, moment } from '../clock.js';
import { el } from '../element.js';
import { words } from '../language.js';
import { go } from '../page.js';
import { card } from '../parts/card.js';
import { addressOf, deviceName } from '../parts/client.js';
import { actionButton } from '../parts/form.js';
import { notice } from '../parts/notice.js';
import { linkInvalid } from '../parts/link-invalid.js';

/** `state` keeps what the server showed and what became of it, for drawing the page again. */
export async function open(state, signal) {
  if (state.declined) return declined();
  if (!state.token) return linkInvalid();
  if (!state.request) {
    card({ title: words.verify.title, body: [skeleton()] });
    try {
      state.request = await call('POST', '/verify-email/show', { token: state.token });
    } catch (refusal) {
      if (!signal.aborted) failed(refusal, state);
      return;
    }
    if (signal.aborted) return;
  }
  draw(state);
}

function draw(state) {
  const { token, request } = state;
  const { verify } = words;
  const messages = el('div', { class: 'messages', role: 'alert' });
  const fail = (refusal) => (refusal.code === 'link_invalid' ? gone(state) : messages.replaceChildren(notice({ kind: 'danger', refusal })));
  const confirm = actionButton({
    text: verify.confirm, busy: verify.confirming, kind: 'primary', failed: fail,
    async act() {
      await call('POST', '/verify-email', { token });
      await go('login', { ended: 'verified', identifier: request.email });
    },
  });
  const decline = actionButton({
    text: verify.decline, busy: verify.declining, failed: fail,
    async act() {
      await call('POST', '/verify-email/decline', { token });
      state.declined = true;
      declined();
    },
  });
  card({
    title: verify.title,
    intro: verify.intro,
    body: [
      facts([
        [verify.email, request.email],
        request.username && [verify.username, request.username],
        [verify.asked, `${moment(request.asked_at)} (${ago(request.asked_at)})`],
        [verify.from, addressOf(request.client)],
        [verify.device, deviceName(request.client)],
        [verify.until, moment(request.expires_at)],
      ]),
      messages,
      el('div', { class: 'card-actions' }, decline, confirm),
      el('p', { class: 'hint' }, verify.note),
    ],
  });
}

const facts = (pairs) => el('dl', { class: 'facts' }, ...pairs.filter(Boolean).map(([name, value]) => el('div', null, el('dt', null, name), el('dd', null, value))));

function declined() {
  card({
    title: words.verify.declined,
    body: [notice({ kind: 'success', text: words.verify.declinedText }), el('button', { type: 'button', class: 'button secondary wide', onclick: () => go('login') }, words.toLogin)],
  });
}

function gone(state) {
  state.token = null;
  linkInvalid();
}

function failed(refusal, state) {
  if (!(refusal instanceof Refusal)) throw refusal;
  if (refusal.code === 'link_invalid') return gone(state);
  card({
    title: words.verify.title,
    body: [notice({ kind: 'danger', refusal }), el('button', { type: 'button', class: 'button primary wide', onclick: () => go('verify-email', state) }, words.again)],
  });
}

function skeleton() {
  const rows = Array.from({ length: 4 }, () => el('span', { class: 'bone bone-line' }));
  return el('div', { class: 'skeleton', role: 'status' }, el('span', { class: 'unseen' }, words.loading), ...rows, el('span', { class: 'bone bone-control' }));
}
