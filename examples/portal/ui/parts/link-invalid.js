// A link from a mail that is used, replaced or too old, and where to get another.
import { el } from '../element.js';
import { words } from '../language.js';
import { go } from '../page.js';
import { card } from './card.js';
import { notice } from './notice.js';

export function linkInvalid({ advice } = {}) {
  const button = (kind, text, act) => el('button', { type: 'button', class: `button ${kind} wide`, onclick: act }, text);
  card({
    title: words.link.title,
    body: [
      notice({ kind: 'warning', text: words.link.text }),
      advice ? el('p', { class: 'intro' }, advice) : button('primary', words.link.resend, () => go('check-mail', { email: '' })),
      button('secondary', words.toLogin, () => go('login')),
    ],
  });
}
