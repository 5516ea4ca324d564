// Two-factor authentication of the own account: its state, setting it up, switching it off.
//
//   state ──set up──▶ password ──▶ QR code and key, code ──▶ recovery codes
//     └──switch off──▶ password and code ──▶ state
import { call, Refusal } from '../api.js';
import { announce, el } from '../element.js';
import { words } from '../language.js';
import { authenticator } from '../parts/authenticator.js';
import { codeField, recoveryCodeField, wrongCode } from '../parts/code-field.js';
import { form } from '../parts/form.js';
import { openModal } from '../parts/modal.js';
import { notice } from '../parts/notice.js';
import { passwordField } from '../parts/password-field.js';
import { recoveryCodes } from '../parts/recovery-codes.js';
import * as session from '../session.js';

export function openTotp() {
  const { totp } = words;
  const about = el('p', { class: 'intro' }, words.loading);
  const content = el('div', { class: 'totp' });
  const modal = openModal({ title: totp.title, body: [about, content] });
  const heading = modal.element.querySelector('h2');

  /** Puts the next view in place and the focus on its first field. */
  function show(title, intro, ...view) {
    heading.textContent = title;
    about.textContent = intro;
    content.replaceChildren(...view);
    (content.querySelector('input:not([readonly])') ?? heading).focus();
  }
  const button = (text, act, kind = 'secondary') => el('button', { type: 'button', class: `button ${kind} wide`, onclick: act }, text);
  const close = () => button(totp.close, () => modal.close());
  const cancel = () => button(words.cancel, () => modal.close());

  async function state() {
    try {
      const { enabled, recovery_codes_left: left } = await call('GET', '/totp');
      if (enabled) show(totp.title, `${totp.on} ${totp.left(left)}`, button(totp.switchOff, disable, 'danger-quiet'), close());
      else show(totp.title, totp.off, button(totp.setUp, begin, 'primary'), close());
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.endsSession) return modal.close();
      show(totp.title, totp.failed, notice({ kind: 'danger', refusal: error }), button(words.again, state), close());
    }
  }

  function begin() {
    const password = passwordField();
    const asked = form({
      fields: [password],
      content: [account(), password.element],
      submit: totp.next,
      busy: words.prove.busy,
      send: async (values) => confirm(await call('POST', '/totp/setup', { password: values.password })),
      refused: (refusal) => refusal.endsSession || wrongPassword(password, refusal),
    });
    show(totp.setUpTitle, totp.setUpIntro, asked.element, cancel());
  }

  function confirm(setup) {
    const code = codeField();
    const asked = form({
      fields: [code],
      content: [authenticator(setup), code.element],
      submit: totp.confirm,
      busy: totp.confirming,
      async send(values) {
        const { recovery_codes: codes } = await call('POST', '/totp/confirm', { ticket: setup.ticket, code: values.code });
        show(totp.codesTitle, totp.codesIntro, recoveryCodes(codes), button(totp.codesKept, () => modal.close(), 'primary'));
        announce(totp.switchedOn);
      },
      refused(refusal) {
        if (refusal.code === 'ticket_invalid') begin();
        return refusal.endsSession || refusal.code === 'ticket_invalid' || wrongCode(code, refusal);
      },
    });
    show(totp.setUpTitle, totp.scan, asked.element, cancel());
  }

  function disable(_event, recovery = false) {
    const password = passwordField();
    const code = recovery ? recoveryCodeField() : codeField();
    const asked = form({
      fields: [password, code],
      content: [account(), password.element, code.element],
      submit: totp.switchOff,
      busy: totp.switchingOff,
      async send(values) {
        await call('POST', '/totp/disable', { password: values.password, code: values.code });
        await state();
        announce(totp.switchedOff);
      },
      refused: (refusal) => refusal.endsSession || wrongPassword(password, refusal) || wrongCode(code, refusal),
    });
    const other = el('button', { type: 'button', class: 'link', onclick: () => disable(null, !recovery) }, recovery ? words.otp.useCode : words.otp.useRecovery);
    show(totp.offTitle, totp.offIntro, asked.element, el('p', null, other), cancel());
  }

  state();
}

/** For password managers: whose password it is. */
const account = () => el('input', { type: 'text', name: 'identifier', autocomplete: 'username', value: session.now().user.email, readonly: true, hidden: true });

function wrongPassword(password, refusal) {
  if (refusal.code !== 'invalid_credentials') return false;
  password.say(words.refusals.invalid_credentials);
  password.input.select();
  return true;
}
