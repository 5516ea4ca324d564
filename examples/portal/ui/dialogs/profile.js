// The own account: names and language, the address, and its end.
//
//   names ──▶ saved
//     ├──change the address──▶ new address and password ──▶ look into your mail
//     └──delete──▶ password (and code) ──▶ logged out, for good
import { call, Refusal } from '../api.js';
import { announce, el, uniqueId } from '../element.js';
import { languages, nameOf, words } from '../language.js';
import { options } from '../options.js';
import { again } from '../page.js';
import { codeField, recoveryCodeField, wrongCode } from '../parts/code-field.js';
import { emailField, field, usernameField } from '../parts/field.js';
import { form } from '../parts/form.js';
import { openModal } from '../parts/modal.js';
import { notice } from '../parts/notice.js';
import { passwordField } from '../parts/password-field.js';
import * as session from '../session.js';

export function openProfile() {
  const { profile } = words;
  const about = el('p', { class: 'intro' }, profile.intro);
  const content = el('div', { class: 'profile' });
  let renamed = false;
  // The page below names its reader, too.
  const modal = openModal({ title: profile.title, body: [about, content], closed: () => renamed && session.now() && again() });
  const heading = modal.element.querySelector('h2');

  /** Puts the next view in place and the focus on its first field. */
  function show(title, intro, ...view) {
    heading.textContent = title;
    about.textContent = intro;
    content.replaceChildren(...view);
    (content.querySelector('input:not([readonly])') ?? heading).focus();
  }
  const button = (text, act, kind = 'secondary') => el('button', { type: 'button', class: `button ${kind} wide`, onclick: act }, text);
  const close = () => button(profile.close, () => modal.close());

  async function names() {
    let user;
    try {
      user = await call('GET', '/account?limit=1');
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (!error.endsSession) show(profile.title, profile.intro, notice({ kind: 'danger', refusal: error }), button(words.again, names), close());
      return;
    }
    const asked = options.sign_up;
    const fields = [];
    const text = (made, value) => {
      made.input.value = value ?? '';
      fields.push(made);
    };
    if (asked.username !== 'off') text(usernameField({ required: asked.username === 'required' }), user.username);
    if (asked.full_name !== 'off') text(field({ name: 'full_name', label: words.field.fullName, autocomplete: 'name', required: asked.full_name === 'required', maxCharacters: 200 }), user.full_name);
    for (const own of asked.fields) text(field({ name: `fields.${own.name}`, label: own.label, required: own.required, maxCharacters: own.max_length }), user.fields[own.name]);
    const language = languageOfMails(user.locale);
    const asking = form({
      fields: [...fields, language],
      submit: profile.submit,
      busy: profile.busy,
      async send(values) {
        await call('PATCH', '/account', changes(values));
        await session.renew();
        renamed = true;
        asking.say({ kind: 'success', text: profile.saved });
      },
      refused: (refusal) => refusal.endsSession,
    });
    const waiting = user.email_change && notice({ kind: 'info', text: profile.waiting(user.email_change.email) });
    show(profile.title, profile.intro, ...[waiting].filter(Boolean), asking.element, button(profile.changeEmail, changeEmail), button(profile.delete, remove, 'danger-quiet'), close());
  }

  function changeEmail() {
    const address = emailField({ name: 'new_email', label: profile.newEmail });
    const password = passwordField();
    const asking = form({
      fields: [address, password],
      content: [account(), address.element, password.element],
      submit: profile.sendLink,
      busy: profile.sending,
      async send(values) {
        await call('POST', '/email/change', { new_email: values.new_email, password: values.password });
        show(profile.emailTitle, profile.emailSent(values.new_email), close());
        announce(profile.emailSent(values.new_email));
      },
      refused: (refusal) => refusal.endsSession || refusedAddress(address, refusal) || wrongPassword(password, refusal),
    });
    show(profile.emailTitle, profile.emailIntro, asking.element, button(words.cancel, names));
  }

  async function remove(_event, recovery = false) {
    let needsCode;
    try {
      needsCode = (await call('GET', '/totp')).enabled;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (!error.endsSession) show(profile.deleteTitle, profile.deleteIntro, notice({ kind: 'danger', refusal: error }), button(words.cancel, names));
      return;
    }
    const password = passwordField();
    const code = needsCode && (recovery ? recoveryCodeField() : codeField());
    const sure = field({ name: 'sure', label: profile.typeEmail(session.now().user.email), autocomplete: 'off', check: (value) => (value === session.now().user.email ? null : profile.notTheEmail) });
    const fields = [sure, password, code].filter(Boolean);
    const asking = form({
      fields,
      content: [account(), ...fields.map((each) => each.element)],
      submit: profile.deleteForever,
      busy: profile.deleting,
      async send(values) {
        await call('POST', '/account/delete', { password: values.password, code: values.code });
        modal.close();
        session.deleted();
      },
      refused: (refusal) => refusal.endsSession || wrongPassword(password, refusal) || (code && wrongCode(code, refusal)),
    });
    const other = needsCode && el('p', null, el('button', { type: 'button', class: 'link', onclick: () => remove(null, !recovery) }, recovery ? words.otp.useCode : words.otp.useRecovery));
    show(profile.deleteTitle, profile.deleteIntro, ...[asking.element, other, button(words.cancel, names)].filter(Boolean));
  }

  names();
}

/** Fields of the host's own are an object in the request; what is empty is removed. */
function changes(values) {
  const change = { fields: {} };
  for (const [name, value] of Object.entries(values)) {
    if (name.startsWith('fields.')) change.fields[name.slice('fields.'.length)] = value;
    else change[name] = value;
  }
  return change;
}

/** The language of mails, or the service's own. */
function languageOfMails(locale) {
  const id = uniqueId('locale');
  const chosen = languages().find((each) => locale === each || locale?.startsWith(`${each}-`)) ?? '';
  const choice = (value, text) => el('option', { value, selected: value === chosen }, text);
  const input = el('select', { id, name: 'locale' }, choice('', words.profile.anyLanguage), ...languages().map((each) => choice(each, nameOf(each))));
  return {
    name: 'locale',
    element: el('div', { class: 'field' }, el('label', { for: id }, words.profile.mailsIn), el('div', { class: 'control' }, input)),
    get value() {
      return input.value;
    },
    problem: () => null,
    say() {},
    focus: () => input.focus(),
  };
}

/** For password managers: whose password it is. */
const account = () => el('input', { type: 'text', name: 'identifier', autocomplete: 'username', value: session.now().user.email, readonly: true, hidden: true });

function wrongPassword(password, refusal) {
  if (refusal.code !== 'invalid_credentials') return false;
  password.say(words.refusals.invalid_credentials);
  password.input.select();
  return true;
}

function refusedAddress(address, refusal) {
  if (refusal.code !== 'invalid_email' && refusal.code !== 'sign_up_refused') return false;
  address.say(refusal.code === 'invalid_email' ? words.refusals.invalid_email : words.profile.domainRefused);
  address.input.select();
  return true;
}
