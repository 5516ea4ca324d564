// Makes an account for somebody else, who is mailed a link to set the password: nobody chooses another's.
import { call } from '../api.js';
import { el } from '../element.js';
import { words } from '../language.js';
import { demoted } from '../parts/administration.js';
import { emailField, field, usernameField } from '../parts/field.js';
import { form } from '../parts/form.js';
import { roleField } from '../parts/role-field.js';
import { openViews } from '../parts/views.js';
import { withProof } from './prove.js';
import { openUser, tell } from './user.js';

export function openNewUser() {
  const { users } = words;
  const { show, button, close } = openViews({ title: users.add });
  const email = emailField({ autocomplete: 'off' });
  const name = field({ name: 'full_name', label: words.field.fullName, required: false, autocomplete: 'off', autocapitalize: 'words', maxCharacters: 200 });
  const asked = form({
    fields: [email, usernameField({ autocomplete: 'off' }), name, roleField()],
    submit: users.add,
    busy: words.working,
    async send(values) {
      const filled = Object.fromEntries(Object.entries(values).filter(([, value]) => value));
      let made;
      if (!(await withProof(async () => { made = await call('POST', '/admin/users', filled); }))) return;
      tell('added', made);
      const open = () => {
        close();
        openUser(made.id);
      };
      show(users.added, made.mailed ? users.addedMailed(made.email) : users.addedUnmailed, el('div', { class: 'modal-actions' }, button(users.openAdded, open), button(words.close, close, 'primary')));
    },
    async refused(refusal) {
      if (refusal.endsSession || await demoted(refusal)) return true;
      if (refusal.code !== 'email_taken') return false;
      email.say(users.emailTaken);
      email.focus();
      return true;
    },
  });
  show(users.add, users.addIntro, asked.element, button(words.cancel, close));
}
