// Asks for the password again before something sensitive: the server wants a fresh proof.
import { call } from '../api.js';
import { el } from '../element.js';
import { words } from '../language.js';
import { form } from '../parts/form.js';
import { openModal } from '../parts/modal.js';
import { passwordField } from '../parts/password-field.js';
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

function prove() {
  return new Promise((resolve) => {
    let proved = false;
    const password = passwordField();
    const account = el('input', { type: 'text', name: 'identifier', autocomplete: 'username', value: session.now().user.email, readonly: true, hidden: true });
    const asked = form({
      fields: [password],
      content: [account, password.element],
      submit: words.prove.submit,
      busy: words.prove.busy,
      async send(values) {
        await call('POST', '/session/prove', { password: values.password });
        proved = true;
        modal.close();
      },
      refused(refusal) {
        if (refusal.endsSession) return true;
        if (refusal.code !== 'invalid_credentials') return false;
        password.say(words.refusals.invalid_credentials);
        password.input.select();
        return true;
      },
    });
    const cancel = el('button', { type: 'button', class: 'button secondary wide', onclick: () => modal.close() }, words.cancel);
    asked.element.append(cancel);
    const modal = openModal({ title: words.prove.title, body: [el('p', { class: 'intro' }, words.prove.intro), asked.element], closed: () => resolve(proved) });
  });
}
