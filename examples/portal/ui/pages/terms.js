// A step of the login: the documents have a newer version, which is asked for once.
import { call } from '../api.js';
import { el } from '../element.js';
import { words } from '../language.js';
import { takeStep, ticketGone } from '../login-steps.js';
import { go } from '../page.js';
import { card } from '../parts/card.js';
import { accepted, documentFields } from '../parts/documents.js';
import { form } from '../parts/form.js';

export function open({ step }) {
  const documents = documentFields(step);
  const asked = form({
    fields: documents,
    submit: words.terms.submit,
    busy: words.terms.busy,
    send: async () => takeStep(await call('POST', '/login/terms', { ticket: step.ticket, accept: accepted(documents) })),
    refused: ticketGone,
  });
  card({
    title: words.terms.title,
    intro: words.terms.intro,
    body: [asked.element],
    foot: [el('p', null, el('button', { type: 'button', class: 'link', onclick: () => go('login') }, words.cancel))],
  });
}
