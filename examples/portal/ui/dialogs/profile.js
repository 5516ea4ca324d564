// The own account: names and language, the address, and its end.
//
//   names ──▶ saved
//     ├──change the address──▶ new address and password ──▶ look into your mail
//     └──delete──▶ password (and code) ──▶ logged out, for good
import { call } from '../api.js';
import { announce, el } from '../element.js';
import { languages, nameOf, words } from '../language.js';
import { options } from '../options.js';
import { again } from '../page.js';
import { codeField, recoveryCodeField, wrongCode } from '../parts/code-field.js';
import { choiceField, emailField, field, usernameField } from '../parts/field.js';
import { form } from '../parts/form.js';
import { notice } from '../parts/notice.js';
import { ownPassword, wrongPassword } from '../parts/own-password.js';
import { openViews } from '../parts/views.js';
import * as session from '../session.js';

export function openProfile() {
  const { profile } = words;
  let renamed = false;
  // The page below names its reader, too.
  const { show, showFailure, button, close, closeButton } = openViews({ title: profile.title, intro: profile.intro, closed: () => renamed && session.now() && again() });

  async function names() {
    let user;
    try {
      user = await call('GET', '/account?limit=1');
    } catch (error) {
      return showFailure(error, profile.title, profile.intro, button(words.again, names), closeButton());
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
    show(profile.title, profile.intro, waiting, asking.element, button(profile.changeEmail, changeEmail), button(profile.delete, remove, 'danger-quiet'), closeButton());
  }

  function changeEmail() {
    const address = emailField({ name: 'new_email', label: profile.newEmail });
    const password = ownPassword();
    const asking = form({
      fields: [address, password],
      content: [password.account, address.element, password.element],
      submit: profile.sendLink,
      busy: profile.sending,
      async send(values) {
        await call('POST', '/email/change', { new_email: values.new_email, password: values.password });
        show(profile.emailTitle, profile.emailSent(values.new_email), closeButton());
        announce(profile.emailSent(values.new_email));
      },
      refused: (refusal) => refusal.endsSession || refusedAddress(address, refusal) || wrongPassword(password, refusal) || forbidden(asking, refusal, profile.addressFixed),
    });
    show(profile.emailTitle, profile.emailIntro, asking.element, button(words.cancel, names));
  }

  async function remove(_event, recovery = false) {
    let needsCode;
    try {
      needsCode = (await call('GET', '/totp')).enabled;
    } catch (error) {
      return showFailure(error, profile.deleteTitle, profile.deleteIntro, button(words.cancel, names));
    }
    const password = ownPassword();
    const code = needsCode && (recovery ? recoveryCodeField() : codeField());
    const sure = field({ name: 'sure', label: profile.typeEmail(session.now().user.email), autocomplete: 'off', check: (value) => (value === session.now().user.email ? null : profile.notTheEmail) });
    const fields = [sure, password, code].filter(Boolean);
    const asking = form({
      fields,
      content: [password.account, ...fields.map((each) => each.element)],
      submit: profile.deleteForever,
      busy: profile.deleting,
      async send(values) {
        await call('POST', '/account/delete', { password: values.password, code: values.code });
        close();
        session.deleted();
      },
      refused: (refusal) => refusal.endsSession || wrongPassword(password, refusal) || (code && wrongCode(code, refusal)) || forbidden(asking, refusal, profile.lastAdministrator),
    });
    const other = needsCode && el('p', null, el('button', { type: 'button', class: 'link', onclick: () => remove(null, !recovery) }, recovery ? words.otp.useCode : words.otp.useRecovery));
    show(profile.deleteTitle, profile.deleteIntro, asking.element, other, button(words.cancel, names));
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
  return choiceField({
    name: 'locale', label: words.profile.mailsIn,
    choices: [['', words.profile.anyLanguage], ...languages().map((each) => [each, nameOf(each)])],
    value: languages().find((each) => locale === each || locale?.startsWith(`${each}-`)) ?? '',
  });
}

function refusedAddress(address, refusal) {
  if (refusal.code !== 'invalid_email' && refusal.code !== 'sign_up_refused') return false;
  address.say(refusal.code === 'invalid_email' ? words.refusals.invalid_email : words.profile.domainRefused);
  address.input.select();
  return true;
}

/** What the policy forbids is said as what it is in this form. */
function forbidden(asking, refusal, text) {
  if (refusal.code !== 'forbidden') return false;
  asking.say({ kind: 'danger', text });
  return true;
}
