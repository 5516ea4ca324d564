// The page behind the link in the mail: a new password under the policy's rules. It doesn't log in.
import { call } from '../api.js';
import { words } from '../language.js';
import { go } from '../page.js';
import { card } from '../parts/card.js';
import { form } from '../parts/form.js';
import { linkInvalid } from '../parts/link-invalid.js';
import { newPasswordField } from '../parts/password-field.js';

export function open(state) {
  const { reset } = words;
  const gone = () => linkInvalid({ again: { text: reset.again, act: () => go('forgot-password') } });
  if (!state.token) return gone();
  const asked = form({
    fields: [newPasswordField({ label: words.field.newPassword })],
    submit: reset.submit,
    busy: reset.busy,
    async send({ password }) {
      await call('POST', '/password/reset', { token: state.token, new_password: password });
      await go('login', { ended: 'password_reset' });
    },
    refused(refusal) {
      if (refusal.code !== 'link_invalid') return false;
      state.token = null;
      gone();
      return true;
    },
  });
  card({ title: reset.title, intro: reset.intro, body: [asked.element] });
}
