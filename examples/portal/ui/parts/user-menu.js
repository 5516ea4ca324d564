// The menu behind the user icon: who is logged in, for how long, the reader's preferences, the password, and Log Out.
import { el } from '../element.js';
import { icon } from '../icon.js';
import { languages, words } from '../language.js';
import * as session from '../session.js';
import { actionButton } from './form.js';
import { languageSelect } from './language-select.js';
import { notice } from './notice.js';
import { extendButton, timeLeft } from './session-timer.js';
import { shortcutSwitch } from './sidebar.js';

export const displayName = (user) => user.full_name || user.username || user.email;

export function avatar(user) {
  return el('span', { class: 'avatar', 'aria-hidden': 'true' }, [...displayName(user)][0].toLocaleUpperCase());
}

export function userMenu(signal) {
  const { user } = session.now();
  const messages = el('div', { class: 'messages', role: 'alert' });
  const fail = (refusal) => !refusal.endsSession && messages.replaceChildren(notice({ kind: 'danger', refusal }));
  const button = el('button', { type: 'button', class: 'user-button', 'aria-expanded': 'false', 'aria-controls': 'user-menu', 'aria-label': words.shell.userMenu(displayName(user)) }, avatar(user));
  const entry = (symbol, text, load) => el('button', { type: 'button', class: 'button entry', async onclick() {
    open(false);
    // The dialog gives the focus back to it, and the menu's own entry is hidden by then.
    button.focus();
    (await load())();
  } }, icon(symbol), text);
  const panel = el('div', { class: 'user-menu', id: 'user-menu', hidden: true },
    el('div', { class: 'user-menu-who' }, avatar(user),
      el('div', null,
        el('p', { class: 'user-menu-name' }, displayName(user)),
        displayName(user) !== user.email && el('p', { class: 'user-menu-email' }, user.email))),
    el('div', { class: 'user-menu-timer' },
      icon('clock'),
      el('div', null, el('span', { class: 'user-menu-label' }, words.timer.left), timeLeft(signal)),
      extendButton({ signal, failed: fail, kind: 'secondary small' })),
    el('div', { class: 'user-menu-choices' }, shortcutSwitch(), languages().length > 1 && languageSelect()),
    messages,
    entry('user', words.profile.title, async () => (await import('../dialogs/profile.js')).openProfile),
    entry('key', words.shell.changePassword, async () => (await import('../dialogs/change-password.js')).openChangePassword),
    entry('shield', words.totp.title, async () => (await import('../dialogs/totp.js')).openTotp),
    entry('program', words.keypairs.title, async () => (await import('../dialogs/keypairs.js')).openKeypairs),
    actionButton({ symbol: 'out', text: words.shell.logOut, busy: words.shell.loggingOut, kind: 'entry', act: session.logOut, failed: fail }));

  function open(wish) {
    panel.hidden = !wish;
    button.setAttribute('aria-expanded', String(wish));
    if (!wish) messages.replaceChildren();
  }
  const reachable = () => [...panel.querySelectorAll('button:not([hidden]), select, input')];
  button.addEventListener('click', () => open(panel.hidden));
  const element = el('div', { class: 'user', onkeydown: keys, onfocusout: left }, button, panel);
  document.addEventListener('pointerdown', (event) => !element.contains(event.target) && open(false), { signal });

  function keys(event) {
    if (event.key === 'Escape' && !panel.hidden) {
      open(false);
      button.focus();
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.target.tagName === 'SELECT') return;
    event.preventDefault();
    open(true);
    const items = reachable();
    items.at((items.indexOf(document.activeElement) + step) % items.length)?.focus();
  }

  function left(event) {
    if (event.relatedTarget && !element.contains(event.relatedTarget)) open(false);
  }
  return element;
}
