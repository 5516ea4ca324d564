// The password of whoever is logged in, asked for again.
import { el } from '../element.js';
import { words } from '../language.js';
import * as session from '../session.js';
import { passwordField } from './password-field.js';

/** Its field, with `account` to stand before it: password managers look there whose password it is. */
export function ownPassword(more = {}) {
  const made = passwordField(more);
  made.account = el('input', { type: 'text', name: 'identifier', autocomplete: 'username', value: session.now().user.email, readonly: true, hidden: true });
  return made;
}

/** Puts a wrong password's words below the field and marks the password to be typed over. */
export function wrongPassword(made, refusal) {
  if (refusal.code !== 'invalid_credentials') return false;
  made.say(words.refusals.invalid_credentials);
  made.input.select();
  return true;
}
