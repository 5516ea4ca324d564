// After a forced set-up: the recovery codes, before the login goes on.
import { el } from '../element.js';
import { words } from '../language.js';
import { takeStep } from '../login-steps.js';
import { go } from '../page.js';
import { card } from '../parts/card.js';
import { recoveryCodes } from '../parts/recovery-codes.js';

/** `refusal`: why the login went no further behind the set-up. */
export function open({ step, refusal }) {
  const next = refusal ? () => go('login', { refusal }) : () => takeStep(step);
  card({
    title: words.totp.codesTitle,
    intro: words.totp.codesIntro,
    body: [
      recoveryCodes(step.recovery_codes),
      el('button', { type: 'button', class: 'button primary wide', onclick: next }, words.totp.codesKept),
    ],
  });
}
