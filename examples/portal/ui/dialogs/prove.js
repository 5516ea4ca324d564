// Asks for the password or a code again before something sensitive: the server wants a fresh proof.
import { call, Refusal } from '../api.js';
import { el } from '../element.js';
import { words } from '../language.js';
import { codeField, recoveryCodeField, wrongCode } from '../parts/code-field.js';
import { form } from '../parts/form.js';
import { openModal } from '../parts/modal.js';
import { ownPassword, wrongPassword } from '../parts/own-password.js';
import * as session from '../session.js';

/** Does it, after a proof where one is asked for. Answers false when its reader cancels. */
export async function withProof(action) {
  try {
    await action();
    return true;
  } catch (refusal) {
    if (refusal.code !== 'proof_required') throw refusal;
  }
  if (!(await prove())) return false;
  await action();
  return true;
}

/** Accounts with two-factor authentication may give a code instead of the password. */
async function prove() {
  const withCode = await hasCodes();
  return new Promise((resolve) => {
    let proved = false;
    const about = el('p', { class: 'intro' });
    const content = el('div');
    const show = (way, focus = true) => {
      about.textContent = way.intro;
      content.replaceChildren(way.element);
      if (focus) content.querySelector('input:not([readonly])').focus();
    };
    const others = (...ways) => withCode && ways.map(([text, open]) => el('p', null, el('button', { type: 'button', class: 'link', onclick: () => show(open()) }, text)));
    const sent = (body) => call('POST', '/session/prove', body).then(() => {
      proved = true;
      modal.close();
    });
    const cancel = () => el('button', { type: 'button', class: 'button secondary wide', onclick: () => modal.close() }, words.cancel);

    function byPassword() {
      const password = ownPassword();
      const asked = form({
        fields: [password],
        content: [password.account, password.element],
        submit: words.prove.submit,
        busy: words.prove.busy,
        send: (values) => sent({ password: values.password }),
        refused: (refusal) => refusal.endsSession || wrongPassword(password, refusal),
      });
      asked.element.append(...(others([words.prove.useCode, () => byCode()]) || []), cancel());
      return { intro: words.prove.intro, element: asked.element };
    }

    function byCode(recovery = false) {
      const code = recovery ? recoveryCodeField() : codeField();
      const asked = form({
        fields: [code],
        submit: words.prove.submit,
        busy: words.prove.busy,
        send: (values) => sent({ code: values.code }),
        refused: (refusal) => refusal.endsSession || wrongCode(code, refusal),
      });
      const other = recovery ? words.otp.useCode : words.otp.useRecovery;
      asked.element.append(...others([other, () => byCode(!recovery)], [words.prove.usePassword, byPassword]), cancel());
      return { intro: words.prove.codeIntro, element: asked.element };
    }

    show(byPassword(), false);
    const modal = openModal({ title: words.prove.title, body: [about, content], closed: () => resolve(proved) });
  });
}

/** Where that can't be learned, the password will do. */
async function hasCodes() {
  try {
    return (await call('GET', '/totp')).enabled;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return false;
  }
}
