// The recovery codes of a set-up, to be copied or downloaded: they are shown this once.
import { el } from '../element.js';
import { words } from '../language.js';
import { options } from '../options.js';
import { copyButton } from './copy.js';

export function recoveryCodes(codes) {
  const text = `${codes.join('\n')}\n`;
  return el('div', { class: 'recovery' },
    el('ul', { class: 'recovery-codes', 'aria-label': words.totp.recoveryCodes }, ...codes.map((code) => el('li', null, el('code', null, code)))),
    el('div', { class: 'recovery-actions' },
      copyButton(text, words.totp.copyCodes),
      el('button', { type: 'button', class: 'button secondary small', onclick: () => download(text) }, words.totp.download)));
}

function download(text) {
  const href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
  el('a', { href, download: `${options.console.name} recovery codes.txt` }).click();
  setTimeout(() => URL.revokeObjectURL(href), 1000);
}
