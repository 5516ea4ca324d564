// The login dialog: mode, identifier and password or a keypair, and the ways on from here.
import { call } from '../api.js';
import { el, uniqueId } from '../element.js';
import { words } from '../language.js';
import { takeStep } from '../login-steps.js';
import { options, signUpOffered } from '../options.js';
import { again, go } from '../page.js';
import { card } from '../parts/card.js';
import { field } from '../parts/field.js';
import { form } from '../parts/form.js';
import { passwordField } from '../parts/password-field.js';

/** How the word at the top is shown, by why the reader comes here; others are plain information. */
const KIND = { verified: 'success', signed_up: 'success', administrator: 'success', password_reset: 'success', email_confirmed: 'success', email_restored: 'success', session_ended_elsewhere: 'warning', ticket_invalid: 'warning' };
/** After these the same person goes on, so the identifier stays. */
const SAME_PERSON = new Set(['kept', 'ticket_invalid']);
let lastIdentifier = '';

/** `state.ended` says why the reader comes here, `state.identifier` fills the field in. */
export function open(state) {
  const { modes } = options;
  state.mode ??= modes.includes('session') ? 'session' : 'api';
  const identifier = state.identifier ?? (SAME_PERSON.has(state.ended) ? lastIdentifier : '');
  const asked = state.mode === 'session' ? sessionForm(identifier) : apiForm();
  card({
    title: words.login.title,
    message: state.refusal ? { kind: 'danger', refusal: state.refusal } : state.ended && { kind: KIND[state.ended] ?? 'info', text: words.ended[state.ended] },
    mails: true,
    body: [
      modes.length > 1 && modeSelector(state),
      asked,
      options.recovery && state.mode === 'session' && forgotten(),
    ].filter(Boolean),
    foot: [signUpOffered() && el('p', null, words.login.noAccount, ' ', link(words.login.signUp, () => go('sign-up')))],
  });
}

function sessionForm(known) {
  const { identifiers } = options;
  const which = identifiers.length === 1 ? identifiers[0] : 'both';
  const identifier = field({ name: 'identifier', label: words.field.identifier[which], autocomplete: 'username', inputmode: which === 'email' ? 'email' : null, value: known });
  const password = passwordField();
  return loginForm({
    fields: [identifier, password],
    send(values) {
      lastIdentifier = values.identifier;
      return call('POST', '/login', { identifier: values.identifier, password: values.password });
    },
    refused(refusal, say) {
      if (refusal.code === 'email_unverified') {
        const email = identifier.value.includes('@') ? identifier.value : '';
        say({ kind: 'warning', refusal, actions: [link(words.login.sendAgain, () => go('check-mail', { email, resend: true }))] });
        return true;
      }
      if (refusal.code !== 'invalid_credentials') return false;
      say({ kind: 'danger', refusal });
      password.input.select();
      return true;
    },
  });
}

/** Logs in with a keypair instead of a password. */
function apiForm() {
  const accessKey = field({ name: 'access_key', label: words.field.accessKey, autocomplete: 'username' });
  const secretKey = passwordField({ name: 'secret_key', label: words.field.secretKey });
  return loginForm({
    fields: [accessKey, secretKey],
    send: (values) => call('POST', '/login', { mode: 'api', access_key: values.access_key, secret_key: values.secret_key }),
    refused: () => false,
  });
}

function loginForm({ fields, send, refused }) {
  const endpoint = options.endpoint.url ? endpointField() : null;
  const asked = form({
    fields: endpoint ? [...fields, endpoint] : fields,
    content: [...fields.map((each) => each.element), endpoint && advanced(endpoint)].filter(Boolean),
    submit: words.login.submit,
    busy: words.login.busy,
    async send(values) {
      const host = endpoint && elsewhere(endpoint.value);
      if (host) return asked.say({ kind: 'warning', text: words.login.elsewhere(host), actions: [el('a', { href: endpoint.value, rel: 'noreferrer' }, words.login.openElsewhere(host))] });
      await takeStep(await send(values));
    },
    refused: (refusal) => refused(refusal, asked.say),
  });
  return asked.element;
}

function modeSelector(state) {
  const choice = (mode) => {
    const id = uniqueId('mode');
    const input = el('input', { type: 'radio', name: 'mode', id, value: mode, checked: mode === state.mode });
    input.addEventListener('change', async () => {
      state.mode = mode;
      await again();
      document.querySelector('input[name="mode"]:checked').focus();
    });
    return [input, el('label', { for: id }, words.login[mode])];
  };
  return el('fieldset', null, el('legend', null, words.login.mode), el('div', { class: 'modes' }, ...options.modes.flatMap(choice)));
}

function endpointField() {
  const { url, pinned } = options.endpoint;
  return field({
    name: 'endpoint', label: words.field.endpoint, type: 'url', inputmode: 'url', value: url, readonly: pinned,
    hint: pinned ? words.field.endpointPinned : words.field.endpointHint,
    check: (value) => (pinned || (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)) ? null : words.field.notAnAddress),
  });
}

function advanced(endpoint) {
  const details = el('details', { class: 'more' }, el('summary', null, words.login.advanced), endpoint.element);
  endpoint.focus = () => {
    details.open = true;
    endpoint.input.focus();
  };
  return details;
}

/** The host of an endpoint that the reader changed to another server's; this page's policy lets it talk to its own only. */
function elsewhere(value) {
  const { url, pinned } = options.endpoint;
  if (pinned || value === url) return null;
  const { origin, host } = new URL(value);
  return origin === location.origin ? null : host;
}

function forgotten() {
  return el('details', { class: 'more' },
    el('summary', null, words.login.forgot),
    el('p', null, words.login.forgotHint, ' ', link(words.login.change, () => go('forgot-password'))));
}

const link = (text, act) => el('button', { type: 'button', class: 'link', onclick: act }, text);
