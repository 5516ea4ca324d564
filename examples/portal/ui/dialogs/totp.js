// Two-factor authentication of the own account: its state, setting it up, switching it off.
//
//   state ──set up──▶ password ──▶ QR code and key, code ──▶ recovery codes
//     └──switch off──▶ password and code ──▶ state
import { call } from '../api.js';
import { announce, el } from '../element.js';
import { words } from '../language.js';
import { authenticator } from '../parts/authenticator.js';
import { codeField, recoveryCodeField, wrongCode } from '../parts/code-field.js';
import { form } from '../parts/form.js';
import { ownPassword, wrongPassword } from '../parts/own-password.js';
import { recoveryCodes } from '../parts/recovery-codes.js';
import { openViews } from '../parts/views.js';

export function openTotp() {
  const { totp } = words;
  const { show, showOnce, showFailure, button, close, closeButton } = openViews({ title: totp.title });
  const cancel = () => button(words.cancel, close);

  async function state() {
    try {
      const { enabled, recovery_codes_left: left } = await call('GET', '/totp');
      if (enabled) show(totp.title, `${totp.on} ${totp.left(left)}`, button(totp.switchOff, disable, 'danger-quiet'), closeButton());
      else show(totp.title, totp.off, button(totp.setUp, begin, 'primary'), closeButton());
    } catch (error) {
      showFailure(error, totp.title, totp.failed, button(words.again, state), closeButton());
    }
  }

  function begin() {
    const password = ownPassword();
    const asked = form({
      fields: [password],
      content: [password.account, password.element],
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
        showOnce(totp.codesTitle, totp.codesIntro, recoveryCodes(codes), button(totp.codesKept, close, 'primary'));
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
    const password = ownPassword();
    const code = recovery ? recoveryCodeField() : codeField();
    const asked = form({
      fields: [password, code],
      content: [password.account, password.element, code.element],
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
