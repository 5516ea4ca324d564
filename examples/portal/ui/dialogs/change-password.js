// Changes the password of whoever is logged in; this session goes on, all others end.
import { call } from '../api.js';
import { announce, el } from '../element.js';
import { words } from '../language.js';
import { form } from '../parts/form.js';
import { openModal } from '../parts/modal.js';
import { notice } from '../parts/notice.js';
import { ownPassword, wrongPassword } from '../parts/own-password.js';
import { newPasswordField } from '../parts/password-field.js';
import * as session from '../session.js';

export function openChangePassword() {
  const { changePassword } = words;
  const current = ownPassword({ name: 'current', label: words.field.currentPassword });
  const chosen = newPasswordField({ label: words.field.newPassword });
  const asked = form({
    fields: [current, chosen],
    content: [current.account, current.element, chosen.element],
    submit: changePassword.submit,
    busy: changePassword.busy,
    async send(values) {
      await call('POST', '/password/change', { current_password: values.current, new_password: values.password });
      await session.renew();
      done();
    },
    refused: (refusal) => refusal.endsSession || wrongPassword(current, refusal),
  });
  const cancel = el('button', { type: 'button', class: 'button secondary wide', onclick: () => modal.close() }, words.cancel);
  asked.element.append(cancel);
  const intro = el('p', { class: 'intro' }, changePassword.intro);
  const modal = openModal({ title: changePassword.title, body: [intro, asked.element] });

  function done() {
    intro.remove();
    const close = el('button', { type: 'button', class: 'button primary wide', onclick: () => modal.close() }, words.close);
    asked.element.replaceWith(notice({ kind: 'success', text: changePassword.done }), close);
    announce(changePassword.done);
    close.focus();
  }
}
