// The sign-up dialog: the fields that the policy asks for, the documents to accept, and each refusal at its field.
import { call } from '../api.js';
import { el } from '../element.js';
import { words } from '../language.js';
import { options, signUpOffered } from '../options.js';
import { go } from '../page.js';
import { card } from '../parts/card.js';
import { accepted, documentFields } from '../parts/documents.js';
import { emailField, field, usernameField } from '../parts/field.js';
import { form } from '../parts/form.js';
import { notice } from '../parts/notice.js';
import { newPasswordField } from '../parts/password-field.js';

/** `state` holds the invitation of the link that led here. */
export function open(state) {
  const { sign_up: rules } = options;
  if (!signUpOffered()) return closed();
  const invitation = rules.invitation === 'off' ? null : invitationField(rules, state.invitation);
  const email = emailField();
  const username = byPolicy(rules.username, usernameField);
  const fullName = byPolicy(rules.full_name, (more) => field({ name: 'full_name', label: words.field.fullName, autocomplete: 'name', autocapitalize: 'words', ...more }));
  const own = (rules.fields ?? []).map(hostField);
  const documents = documentFields(rules);
  const fields = [invitation, email, username, newPasswordField(), fullName, ...own, ...documents].filter(Boolean);
  const asked = form({
    fields,
    submit: words.signUp.submit,
    busy: words.signUp.busy,
    async send(values) {
      const answer = await call('POST', '/sign-up', request(values, own, documents));
      if (answer.status === 'signed_up') return go('login', { ended: 'signed_up', identifier: values.email });
      return go('check-mail', { email: values.email });
    },
  });
  card({
    title: words.signUp.title,
    body: [asked.element],
    foot: [el('p', null, words.signUp.haveAccount, ' ', el('button', { type: 'button', class: 'link', onclick: () => go('login') }, words.signUp.login))],
  });
}

/** Optional fields that were left empty aren't sent. */
function request(values, own, documents) {
  const filled = (name) => (values[name] ? { [name]: values[name] } : {});
  const fields = Object.fromEntries(own.filter((each) => each.value).map((each) => [each.hostName, each.value]));
  return {
    email: values.email,
    password: values.password,
    ...filled('username'),
    ...filled('full_name'),
    ...filled('invitation'),
    ...(Object.keys(fields).length ? { fields } : {}),
    accept: accepted(documents),
  };
}

/** Sign-up is closed to everybody, and a link can't open it. */
function closed() {
  card({
    title: words.signUp.title,
    body: [notice({ kind: 'info', text: words.refusals.sign_up_closed })],
    foot: [el('p', null, words.signUp.haveAccount, ' ', el('button', { type: 'button', class: 'link', onclick: () => go('login') }, words.signUp.login))],
  });
}

function invitationField({ open: anyone, invitation }, value) {
  const needed = invitation === 'required' || !anyone;
  return field({
    name: 'invitation', label: words.field.invitation, required: needed, autocomplete: 'off', value: value ?? '',
    hint: needed ? words.signUp.invitationNeeded : words.signUp.invitationOptional,
  });
}

/** "off" leaves a field out. */
function byPolicy(wish, make) {
  return wish === 'optional' || wish === 'required' ? make({ required: wish === 'required' }) : null;
}

function hostField({ name, label, required, max_length: maxCharacters }) {
  return Object.assign(field({ name: `fields.${name}`, label, required, maxCharacters, autocapitalize: 'sentences' }), { hostName: name });
}
