// Chooses one account out of all: a search whose few best finds are offered below it.
import { call, Refusal } from '../api.js';
import { announce, el, uniqueId } from '../element.js';
import { icon } from '../icon.js';
import { words } from '../language.js';
import { demoted } from './administration.js';
import { displayName } from './user-menu.js';

const PAUSE = 300;
const OFFERED = 6;
const ID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** `chosen` is `{id, name}` or nothing; `choose` is told of another, or of `null`. */
export function accountFilter({ chosen, choose }) {
  const { audit } = words;
  const id = uniqueId('account');
  const input = el('input', { id, name: 'account', type: 'search', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', placeholder: audit.accountHint, maxlength: 254, 'aria-describedby': `${id}-found` });
  const found = el('ul', { class: 'finds', id: `${id}-found` });
  const control = el('div', { class: 'control' });
  let pause = null;
  let asked = null;

  function draw(user) {
    const drop = () => {
      draw(null);
      input.focus();
      choose(null);
    };
    found.replaceChildren();
    input.value = '';
    control.replaceChildren(user
      ? el('span', { class: 'chosen' }, el('span', null, user.name), el('button', { type: 'button', class: 'drop', 'aria-label': audit.dropAccount(user.name), onclick: drop }, icon('close')))
      : input);
  }
  function take(user) {
    draw(user);
    control.querySelector('button').focus();
    choose(user);
  }

  async function look() {
    clearTimeout(pause);
    const text = input.value.trim();
    asked = text;
    if (!text) return found.replaceChildren();
    // An account that is gone can still be named by its id.
    if (ID.test(text)) return take({ id: text, name: text });
    try {
      const { users } = await call('GET', `/admin/users?${new URLSearchParams({ query: text, limit: OFFERED })}`);
      if (asked !== text) return;
      const offer = (user) => el('li', null, el('button', { type: 'button', class: 'find', onclick: () => take({ id: user.id, name: user.email }) }, displayName(user), displayName(user) !== user.email && el('span', { class: 'hint' }, user.email)));
      found.replaceChildren(...(users.length ? users.map(offer) : [el('li', { class: 'hint' }, words.users.noMatch(text))]));
      announce(users.length ? audit.offered(users.length) : words.users.noMatch(text));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (!error.endsSession && !(await demoted(error))) found.replaceChildren(el('li', { class: 'hint' }, words.users.failed));
    }
  }
  input.addEventListener('input', () => {
    clearTimeout(pause);
    pause = setTimeout(look, PAUSE);
  });
  input.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && !event.isComposing) look();
    if (event.key === 'Escape') found.replaceChildren();
    if (event.key === 'ArrowDown') found.querySelector('button')?.focus();
  });
  found.addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const offers = [...found.querySelectorAll('button')];
    (offers[offers.indexOf(document.activeElement) + step] ?? input).focus();
  });
  draw(chosen);
  return el('div', { class: 'field account-filter' }, el('label', { for: id }, audit.account), control, found);
}
