// The page behind the link that the server prints while nobody has an account: makes the first one, the administrator's.
import { call } from '../api.js';
import { words } from '../language.js';
import { go } from '../page.js';
import { card } from '../parts/card.js';
import { emailField, usernameField } from '../parts/field.js';
import { form } from '../parts/form.js';
import { linkInvalid } from '../parts/link-invalid.js';
import { newPasswordField } from '../parts/password-field.js';

export function open(state) {
  const { token } = state;
  const gone = () => linkInvalid({ advice: words.link.firstAdministrator });
  if (!token) return gone();
  const asked = form({
    fields: [emailField(), usernameField(), newPasswordField()],
    submit: words.firstAdministrator.submit,
    busy: words.firstAdministrator.busy,
    async send({ email, username, password }) {
      await call('POST', '/first-administrator', { token, email, password, ...(username ? { username } : {}) });
      await go('login', { ended: 'administrator', identifier: email });
    },
    refused(refusal) {
      if (refusal.code !== 'link_invalid') return false;
      state.token = null;
      gone();
      return true;
    },
  });
  card({ title: words.firstAdministrator.title, intro: words.firstAdministrator.intro, body: [asked.element] });
}
