// The account's API keypairs at a glance: which there are and whether they work.
import { Refusal } from '../api.js';
import { changes, loadKeypairs, nameOf, openKeypairs, stateOf } from '../dialogs/keypairs.js';
import { el } from '../element.js';
import { icon } from '../icon.js';
import { words } from '../language.js';

const MOST = 5;

export function keypairGlance(signal) {
  const { keypairs } = words;
  const about = el('p', { class: 'panel-intro' }, words.loading);
  const list = el('ul', { class: 'session-list', 'aria-labelledby': 'keypairs-title', hidden: true });
  const row = (keypair) => el('li', { class: 'session' },
    el('span', { class: 'device-icon' }, icon('program')),
    el('div', { class: 'session-what' },
      el('p', { class: 'session-device' }, nameOf(keypair), stateOf(keypair)),
      el('p', { class: 'session-facts' }, el('code', null, keypair.access_key))));

  async function load() {
    let own = [];
    try {
      own = await loadKeypairs();
      about.textContent = own.length ? keypairs.count(own.length) : keypairs.none;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      about.textContent = keypairs.failed;
    }
    list.replaceChildren(...own.slice(0, MOST).map(row));
    list.hidden = own.length === 0;
  }
  changes.addEventListener('changed', load, { signal });
  load();
  return el('section', { class: 'panel sessions', 'aria-labelledby': 'keypairs-title' },
    el('div', { class: 'panel-head' },
      el('div', null, el('h2', { id: 'keypairs-title' }, keypairs.title), about),
      el('button', { type: 'button', class: 'button secondary small', onclick: openKeypairs }, keypairs.manage)),
    list);
}
