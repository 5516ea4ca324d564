// A code's input: six boxes that are one input, so that a paste, a password manager and a screen reader find one field.
import { words } from '../language.js';
import { options } from '../options.js';
import { field } from './field.js';

/** The code of the authenticator application. What isn't a digit is left out while typing: applications show `123 456`. */
export function codeField() {
  const { digits } = options.totp;
  const made = field({
    name: 'code', label: words.totp.code, inputmode: 'numeric', autocomplete: 'one-time-code', pattern: '[0-9]*',
    check: (value) => (value.length === digits ? null : words.totp.incomplete(digits)),
  });
  made.element.classList.add('code');
  made.input.addEventListener('input', () => {
    const kept = made.input.value.replace(/\D/g, '').slice(0, digits);
    if (kept !== made.input.value) made.input.value = kept;
  });
  return made;
}

export const recoveryCodeField = () => field({ name: 'code', label: words.totp.recoveryCode, autocomplete: 'off', hint: words.totp.recoveryCodeHint });

/** Puts a wrong code's words below the field and marks the code to be typed over. */
export function wrongCode(made, refusal) {
  if (refusal.code !== 'invalid_code') return false;
  made.say(words.refusals.invalid_code);
  made.input.select();
  return true;
}
