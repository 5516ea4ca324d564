// The frame of the dialogs before login: brand above, one card in the doorway, language below.
import { brand } from '../brand.js';
import { el, uniqueId } from '../element.js';
import { icon } from '../icon.js';
import { languages, words } from '../language.js';
import { mailFolder } from '../options.js';
import { show } from '../page.js';
import { languageSelect } from './language-select.js';
import { notice } from './notice.js';

/** `message` is read out at once; `mails` tells where a development set-up keeps its mails. */
export function card({ title, intro, message, body, foot, mails = false, size = '' }) {
  const id = uniqueId('card-title');
  const heading = el('h1', { id, tabindex: '-1' }, title);
  const messages = el('div', { class: 'messages', role: message?.kind === 'warning' || message?.kind === 'danger' ? 'alert' : 'status' });
  const dialog = el('section', { class: `card ${size}`, role: 'dialog', 'aria-labelledby': id },
    heading,
    intro && el('p', { class: 'intro' }, intro),
    messages,
    ...body,
    el('footer', { class: 'card-foot' }, ...(foot ?? []), languages().length > 1 && languageSelect()));
  show(title, el('div', { class: 'doorway' },
    el('header', null, brand()),
    el('main', null, dialog),
    mails && mailFolder && developmentNote()));
  if (message) messages.append(notice(message));
  const inputs = [...dialog.querySelectorAll('input:not([type="radio"]):not([readonly])')];
  (inputs.find((input) => input.type === 'checkbox' || !input.value) ?? inputs[0] ?? heading).focus({ preventScroll: true });
}

function developmentNote() {
  return el('aside', { class: 'development', 'aria-label': words.mailFolder },
    icon('mail'), el('p', null, words.mailFolder, ' ', el('code', null, mailFolder)));
}
