// The page behind the link that a former address gets: says what undoing does, and acts only on a click.
import { emailLinkPage } from '../parts/email-link.js';
import { go } from '../page.js';
import { words } from '../language.js';

export const open = (state, signal) => emailLinkPage({
  page: 'undo-email', path: '/email/undo', state, signal, text: words.undoEmail,
  done: () => go('login', { ended: 'email_restored' }),
});
