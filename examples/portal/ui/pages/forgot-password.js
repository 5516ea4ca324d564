// Asks for a link to set a new password. The answer is the same whether the address has an account or not.
import { call } from '../api.js';
import { el } from '../element.js';
import { words } from '../language.js';
import { go } from '../page.js';
import { card } from '../parts/card.js';
import { emailField } from '../parts/field.js';
import { form } from '../parts/form.js';

export function open(state) {
  if (state.email) return sent(state.email);
  const asked = form({
    fields: [emailField()],
    submit: words.forgot.submit,
    busy: words.forgot.busy,
    async send({ email }) {
      await call('POST', '/password/forgot', { email });
      await go('forgot-password', { email });
    },
  });
  card({ title: words.forgot.title, intro: words.forgot.intro, body: [asked.element], foot: [el('p', null, toLogin())] });
}

function sent(email) {
  const [before, , after] = words.forgot.sent(email);
  card({
    title: words.forgot.sentTitle,
    mails: true,
    body: [el('p', { class: 'intro' }, before, el('b', { class: 'address' }, email), after)],
    foot: [el('p', null, toLogin())],
  });
}

const toLogin = () => el('button', { type: 'button', class: 'link', onclick: () => go('login') }, words.toLogin);
