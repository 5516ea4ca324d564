// The sidebar: where one can go, wide or narrow. The button at its right side and the key [ change it, and the browser remembers.
import { brand } from '../brand.js';
import { el, uniqueId } from '../element.js';
import { icon } from '../icon.js';
import { words } from '../language.js';
import { recall, remember } from '../memory.js';
import { go } from '../page.js';
import { isAdministrator, PLACES } from '../places.js';

const KEY = '[';

export function sidebar(current, signal) {
  const toggle = el('button', { type: 'button', class: 'sidebar-toggle', 'aria-controls': 'sidebar', 'aria-keyshortcuts': shortcutOn() ? KEY : null }, icon('narrow'));
  const link = ({ name, path, icon: symbol }) => el('li', null,
    el('a', { href: path, class: 'place', 'aria-current': name === current ? 'page' : null, title: words.shell[name], onclick: (event) => visit(event, name) },
      icon(symbol), el('span', { class: 'place-name' }, words.shell[name])));
  const own = PLACES.filter((place) => !place.administers);
  const administration = isAdministrator() ? PLACES.filter((place) => place.administers) : [];
  const element = el('aside', { class: 'sidebar', id: 'sidebar' }, el('div', { class: 'sidebar-view' },
    brand(),
    el('nav', { 'aria-label': words.shell.sidebar },
      el('ul', null, ...own.map(link)),
      administration.length > 0 && el('p', { class: 'places-title', id: 'administration-title' }, words.shell.administration),
      administration.length > 0 && el('ul', { 'aria-labelledby': 'administration-title' }, ...administration.map(link))),
    toggle));

  function draw(narrow) {
    document.documentElement.toggleAttribute('data-narrow', narrow);
    toggle.setAttribute('aria-expanded', String(!narrow));
    toggle.setAttribute('aria-label', narrow ? words.shell.widen : words.shell.narrow);
    toggle.title = `${narrow ? words.shell.widen : words.shell.narrow}${shortcutOn() ? ` (${KEY})` : ''}`;
  }
  function change() {
    const narrow = !document.documentElement.hasAttribute('data-narrow');
    remember('sidebar', narrow ? 'narrow' : 'wide');
    draw(narrow);
  }
  draw(recall('sidebar') === 'narrow');
  toggle.addEventListener('click', change);
  document.addEventListener('keydown', (event) => {
    if (event.key !== KEY || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (!shortcutOn() || typing(event.target) || document.querySelector('dialog[open]')) return;
    event.preventDefault();
    change();
  }, { signal });
  return element;
}

/** A click with a modifier stays the browser's: a new tab or window. */
function visit(event, name) {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go(name);
}

/** A single-key shortcut must be possible to turn off (WCAG 2.1.4): speech input would trigger it by chance. */
export function shortcutSwitch() {
  const id = uniqueId('shortcut');
  const [before, key, after] = words.shell.shortcut;
  const input = el('input', { type: 'checkbox', role: 'switch', id, checked: shortcutOn() });
  input.addEventListener('change', () => remember('shortcut', input.checked ? 'on' : 'off'));
  return el('div', { class: 'switch' }, el('label', { for: id }, before, el('kbd', null, key), after), input);
}

const shortcutOn = () => recall('shortcut') !== 'off';

const typing = (target) => target.isContentEditable || target.closest('input:not([type="checkbox"]):not([type="radio"]), textarea, select') !== null;
