// A button that copies a text, and says so.
import { announce, el } from '../element.js';
import { words } from '../language.js';

export function copyButton(text, label) {
  const button = el('button', { type: 'button', class: 'button secondary small' }, label);
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = words.totp.copied;
      announce(words.totp.copied);
    } catch {
      announce(words.totp.notCopied);
      button.textContent = words.totp.notCopied;
    }
  });
  return button;
}
