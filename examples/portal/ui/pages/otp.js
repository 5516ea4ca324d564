// A step of the login: the code of the authenticator application, or a recovery code.
import { call } from '../api.js';
import { el } from '../element.js';
import { words } from '../language.js';
import { takeStep, ticketGone } from '../login-steps.js';
import { go } from '../page.js';
import { card } from '../parts/card.js';
import { codeField, recoveryCodeField, wrongCode } from '../parts/code-field.js';
import { form } from '../parts/form.js';

/** `state.recovery` asks for a recovery code instead. */
export function open(state) {
  const { otp } = words;
  const { step, recovery = false } = state;
  const code = recovery ? recoveryCodeField() : codeField();
  const asked = form({
    fields: [code],
    submit: otp.submit,
    busy: otp.busy,
    send: async (values) => takeStep(await call('POST', '/login/otp', { ticket: step.ticket, code: values.code })),
    refused: (refusal) => ticketGone(refusal) || wrongCode(code, refusal),
  });
  const link = (text, act) => el('button', { type: 'button', class: 'link', onclick: act }, text);
  card({
    title: otp.title,
    intro: recovery ? otp.recoveryIntro : otp.intro,
    body: [asked.element, el('p', null, link(recovery ? otp.useCode : otp.useRecovery, () => go('otp', { step, recovery: !recovery })))],
    foot: [el('p', null, link(words.cancel, () => go('login')))],
  });
}
