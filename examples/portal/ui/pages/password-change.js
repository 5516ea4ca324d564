// A step of the login: the password is too old, or an administrator asks for another one.
import { call } from '../api.js';
import { el } from '../element.js';
import { words } from '../language.js';
import { takeStep, ticketGone } from '../login-steps.js';
import { go } from '../page.js';
import { card } from '../parts/card.js';
import { form } from '../parts/form.js';
import { newPasswordField } from '../parts/password-field.js';

export function open({ step }) {
  const asked = form({
    fields: [newPasswordField({ label: words.field.newPassword })],
    submit: words.passwordDue.submit,
    busy: words.passwordDue.busy,
    send: async ({ password }) => takeStep(await call('POST', '/login/password', { ticket: step.ticket, new_password: password })),
    refused: ticketGone,
  });
  card({
    title: words.passwordDue.title,
    intro: words.passwordDue.intro,
    body: [asked.element],
    foot: [el('p', null, el('button', { type: 'button', class: 'link', onclick: () => go('login') }, words.cancel))],
  });
}
