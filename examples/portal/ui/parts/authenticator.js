// What an authenticator application needs to know: a QR code, and the same key to type.
import { el } from '../element.js';
import { words } from '../language.js';
import { copyButton } from './copy.js';

export function authenticator({ secret, qr_svg }) {
  const { totp } = words;
  const spaced = secret.replace(/(.{4})(?=.)/g, '$1 ');
  return el('div', { class: 'authenticator' },
    el('img', { class: 'qr', src: `data:image/svg+xml,${encodeURIComponent(qr_svg)}`, alt: totp.qr, width: 176, height: 176 }),
    el('div', { class: 'manual-key' },
      el('p', { class: 'hint' }, totp.manual),
      el('code', { class: 'secret' }, spaced),
      copyButton(secret, totp.copyKey)));
}
