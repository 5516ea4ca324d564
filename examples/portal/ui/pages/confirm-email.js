// The page behind the link that a new address gets: shows which account wants it, and acts only on a click.
import { Refusal } from '../api.js';
import { announce } from '../element.js';
import { emailLinkPage } from '../parts/email-link.js';
import { go } from '../page.js';
import { words } from '../language.js';
import * as session from '../session.js';

export const open = (state, signal) => emailLinkPage({
  page: 'confirm-email', path: '/email/confirm', state, signal, text: words.confirmEmail,
  done: (shown) => arrive(shown.email),
});

/** Whoever is logged in in this browser goes on with the new address. */
async function arrive(email) {
  try {
    await session.restore();
    await go('start');
    announce(words.ended.email_confirmed);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    await go('login', { ended: 'email_confirmed', identifier: email });
  }
}
