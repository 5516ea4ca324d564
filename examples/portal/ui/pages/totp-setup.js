// A step of the login: an authenticator application must be set up first.
import { call } from '../api.js';
import { el } from '../element.js';
import { words } from '../language.js';
import { takeStep, ticketGone } from '../login-steps.js';
import { go } from '../page.js';
import { authenticator } from '../parts/authenticator.js';
import { card } from '../parts/card.js';
import { codeField, wrongCode } from '../parts/code-field.js';
import { form } from '../parts/form.js';

export function open({ step }) {
  const { totp } = words;
  const code = codeField();
  const asked = form({
    fields: [code],
    content: [authenticator(step), code.element],
    submit: totp.confirm,
    busy: totp.confirming,
    async send(values) {
      const next = await call('POST', '/login/totp-setup', { ticket: step.ticket, code: values.code });
      await (next.recovery_codes?.length ? go('recovery-codes', { step: next }) : takeStep(next));
    },
    // The set-up stands though the login is refused behind it.
    refused: (refusal) => keepCodes(refusal) || ticketGone(refusal) || wrongCode(code, refusal),
  });
  card({
    title: totp.forcedTitle,
    intro: totp.forcedIntro,
    body: [asked.element],
    foot: [el('p', null, el('button', { type: 'button', class: 'link', onclick: () => go('login') }, words.cancel))],
  });
}

function keepCodes(refusal) {
  if (!refusal.recoveryCodes.length) return false;
  go('recovery-codes', { step: { recovery_codes: refusal.recoveryCodes }, refusal });
  return true;
}
