// The account's API keypairs: listed, made, switched off and on, rotated, deleted. A secret key is shown once.
//
//   list ──create──▶ name ──▶ secret key, once ──▶ list
//     ├──rotate──▶ sure? ──▶ secret key, once ──▶ list
//     └──delete──▶ sure? ──▶ list
import { call, callAll } from '../api.js';
import { ago, day, moment, now } from '../clock.js';
import { announce, el } from '../element.js';
import { words } from '../language.js';
import { copyButton } from '../parts/copy.js';
import { field } from '../parts/field.js';
import { actionButton, form } from '../parts/form.js';
import { openViews } from '../parts/views.js';
import * as session from '../session.js';
import { withProof } from './prove.js';

const LONGEST_NAME = 100;

/** Tells `changed` when the dialog has changed a keypair. */
export const changes = new EventTarget();

export const loadKeypairs = async () => (await callAll('/keypairs', 'keypairs')).found;

export const nameOf = (keypair) => keypair.label || words.keypairs.unnamed;

/** Whether it works, in a word. */
export function stateOf(keypair) {
  const { keypairs } = words;
  const badge = (text, works = false) => el('span', { class: works ? 'badge' : 'badge quiet' }, text);
  if (!keypair.active) return badge(keypairs.inactive);
  if (keypair.expires_at && Date.parse(keypair.expires_at) <= now()) return badge(keypairs.expired);
  if (keypair.replaced_until) return badge(keypairs.replaced(moment(keypair.replaced_until)));
  return badge(keypairs.active, true);
}

export function openKeypairs() {
  const { keypairs } = words;
  // A program that logged in with a keypair may look, but change none.
  const changeable = session.now().session.mode !== 'api';
  const { show, showOnce, showFailure, say, button, close, closeButton } = openViews({ title: keypairs.title });

  async function list() {
    try {
      const own = await loadKeypairs();
      const rows = own.length > 0 && el('ul', { class: 'session-list', 'aria-label': keypairs.title }, ...own.map(row));
      const intro = changeable ? keypairs.intro : keypairs.fixed;
      show(keypairs.title, own.length ? intro : keypairs.none, rows, changeable && button(keypairs.create, create, 'primary'), closeButton());
    } catch (error) {
      showFailure(error, keypairs.title, keypairs.failed, button(words.again, list), closeButton());
    }
  }

  function row(keypair) {
    const name = nameOf(keypair);
    const used = keypair.last_used_at ? keypairs.used(ago(keypair.last_used_at)) : keypairs.unused;
    return el('li', { class: 'session' },
      el('div', { class: 'session-what' },
        el('p', { class: 'session-device' }, name, stateOf(keypair)),
        el('p', { class: 'session-facts' }, el('code', null, keypair.access_key)),
        el('p', { class: 'session-facts' },
          el('span', null, keypairs.made(day(keypair.created_at))),
          keypair.expires_at && el('span', null, keypairs.expires(day(keypair.expires_at))),
          el('span', null, used)),
        changeable && actions(keypair, name)));
  }

  function actions(keypair, name) {
    const path = `/keypairs/${encodeURIComponent(keypair.access_key)}`;
    const small = (text, label, act, kind = 'secondary') => el('button', { type: 'button', class: `button ${kind} small`, 'aria-label': label(name), onclick: act }, text);
    const [text, label, said] = keypair.active
      ? [keypairs.switchOff, keypairs.switchOffOf, keypairs.switchedOff]
      : [keypairs.switchOn, keypairs.switchOnOf, keypairs.switchedOn];
    return el('div', { class: 'keypair-actions' },
      actionButton({ text, busy: words.working, kind: 'secondary small', 'aria-label': label(name), failed: fail, act: () => change('PATCH', path, said, { active: !keypair.active }) }),
      !keypair.replaced_until && small(keypairs.rotate, keypairs.rotateOf, () => sure(keypairs.rotateTitle, keypairs.rotateIntro(name), keypairs.rotate, 'primary', () => rotate(path))),
      small(keypairs.remove, keypairs.removeOf, () => sure(keypairs.removeTitle, keypairs.removeIntro(name), keypairs.remove, 'danger-quiet', () => change('DELETE', path, keypairs.removed)), 'danger-quiet'));
  }

  function sure(title, intro, text, kind, act) {
    show(title, intro, actionButton({ text, busy: words.working, kind: `${kind} wide`, failed: fail, act }), button(words.cancel, list));
  }

  async function change(method, path, said, body) {
    if (!(await withProof(() => call(method, path, body)))) return;
    changed();
    await list();
    announce(said);
  }

  async function rotate(path) {
    let made;
    if (!(await withProof(async () => { made = await call('POST', `${path}/rotate`); }))) return;
    changed();
    secret(made, keypairs.rotatedIntro);
  }

  function create() {
    const name = field({ name: 'label', label: keypairs.label, required: false, autocomplete: 'off', autocapitalize: 'sentences', maxCharacters: LONGEST_NAME, hint: keypairs.labelHint });
    const asked = form({
      fields: [name],
      submit: keypairs.create,
      busy: words.working,
      async send(values) {
        let made;
        if (!(await withProof(async () => { made = await call('POST', '/keypairs', values.label ? { label: values.label } : {}); }))) return;
        changed();
        secret(made, keypairs.madeIntro);
      },
      refused: (refusal) => refusal.endsSession,
    });
    show(keypairs.createTitle, keypairs.createIntro, asked.element, button(words.cancel, list));
  }

  function secret(made, intro) {
    const shown = (name, value, copy) => el('div', { class: 'keypair-half' },
      el('p', { class: 'hint' }, name), el('code', { class: 'secret' }, value), copyButton(value, copy));
    showOnce(keypairs.secretTitle, intro,
      shown(words.field.accessKey, made.access_key, keypairs.copyAccessKey),
      shown(words.field.secretKey, made.secret_key, keypairs.copySecretKey),
      button(keypairs.kept, list, 'primary'));
  }

  function fail(refusal) {
    if (refusal.endsSession) return close();
    if (refusal.code === 'not_found' || refusal.code === 'stale') return list();
    say({ kind: 'danger', refusal });
  }

  const changed = () => changes.dispatchEvent(new Event('changed'));
  list();
}
