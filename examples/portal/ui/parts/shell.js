// The frame of the pages after login: sidebar, top bar with the user menu, content.
import { el } from '../element.js';
import { icon } from '../icon.js';
import { words } from '../language.js';
import { show } from '../page.js';
import { sidebar } from './sidebar.js';
import { userMenu } from './user-menu.js';

export function shell({ name, title, content }, signal) {
  const main = el('main', { id: 'content', tabindex: '-1' }, ...content);
  const side = sidebar(name, signal);
  const menu = el('button', { type: 'button', class: 'menu-button', 'aria-expanded': 'false', 'aria-controls': 'sidebar', 'aria-label': words.shell.menu }, icon('menu'));
  const cover = el('div', { class: 'cover', onclick: () => drawer(false) });
  const skip = el('a', { class: 'skip', href: '#content' }, words.shell.skip);
  skip.addEventListener('click', (event) => {
    event.preventDefault();
    main.focus();
  });

  /** On a phone the sidebar is a drawer over the page. */
  function drawer(open) {
    frame.toggleAttribute('data-drawer', open);
    menu.setAttribute('aria-expanded', String(open));
    main.inert = open;
    if (open) side.querySelector('a').focus();
    else if (side.contains(document.activeElement)) menu.focus();
  }
  menu.addEventListener('click', () => drawer(!frame.hasAttribute('data-drawer')));
  document.addEventListener('keydown', (event) => event.key === 'Escape' && frame.hasAttribute('data-drawer') && drawer(false), { signal });

  const frame = el('div', { class: 'shell' }, skip, side, cover, el('div', { class: 'stage' }, el('header', { class: 'topbar' }, menu, userMenu(signal)), main));
  show(title, frame);
  main.querySelector('h1').focus({ preventScroll: true });
}
