// A link from a mail that is used, replaced or too old, and where to get another.
import { el } from '../element.js';
import { words } from '../language.js';
import { go } from '../page.js';
import { card } from './card.js';
import { notice } from './notice.js';

/** `advice` says how to get another; else `again` does, by default with a mail for a sign-up. */
export function linkInvalid({ advice, again = { text: words.link.resend, act: () => go('check-mail', { email: '' }) } } = {}) {
  const button = (kind, text, act) => el('button', { type: 'button', class: `button ${kind} wide`, onclick: act }, text);
  card({
    title: words.link.title,
    body: [
      notice({ kind: 'warning', text: words.link.text }),
      advice ? el('p', { class: 'intro' }, advice) : button('primary', again.text, again.act),
      button('secondary', words.toLogin, () => go('login')),
    ],
  });
}
