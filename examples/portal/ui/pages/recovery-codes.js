// After a forced set-up: the recovery codes, before the login goes on.
import { el } from '../element.js';
import { words } from '../language.js';
import { takeStep } from '../login-steps.js';
import { card } from '../parts/card.js';
import { recoveryCodes } from '../parts/recovery-codes.js';

export function open({ step }) {
  card({
    title: words.totp.codesTitle,
    intro: words.totp.codesIntro,
    body: [
      recoveryCodes(step.recovery_codes),
      el('button', { type: 'button', class: 'button primary wide', onclick: () => takeStep(step) }, words.totp.codesKept),
    ],
  });
}
