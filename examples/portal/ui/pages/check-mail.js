// After a sign-up: the mail is on its way, and can be sent again.
import { call } from '../api.js';
import { el } from '../element.js';
import { words } from '../language.js';
import { go } from '../page.js';
import { card } from '../parts/card.js';
import { emailField } from '../parts/field.js';
import { form } from '../parts/form.js';

/** `state.email` is the address; without one, or with `resend`, the reader comes from the login dialog. */
export function open(state) {
  const { email, resend = !email } = state;
  const address = resend ? emailField({ value: email }) : null;
  const asked = form({
    fields: address ? [address] : [],
    submit: words.checkMail.resend,
    busy: words.checkMail.busy,
    async send() {
      await call('POST', '/verify-email/resend', { email: address ? address.value : email });
      asked.say({ kind: 'success', text: words.checkMail.resent });
    },
  });
  const [before, , after] = words.checkMail.sent(email);
  card({
    title: words.checkMail.title,
    mails: true,
    body: [
      el('p', { class: 'intro' }, ...(address ? [words.checkMail.asked] : [before, el('b', { class: 'address' }, email), after])),
      !address && el('p', { class: 'hint' }, words.checkMail.nothing),
      asked.element,
    ].filter(Boolean),
    foot: [el('p', null, el('button', { type: 'button', class: 'link', onclick: () => go('login', { identifier: email }) }, words.toLogin))],
  });
}
