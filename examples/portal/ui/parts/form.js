// A form that checks its fields, sends once at a time, and puts each refusal where its reader looks for it.
import { Refusal } from '../api.js';
import { el } from '../element.js';
import { icon } from '../icon.js';
import { explain, notice } from './notice.js';

/** The field that a code is about when the refusal doesn't name one. */
const FIELD_OF = {
  email_taken: 'email', invalid_email: 'email',
  username_taken: 'username', invalid_username: 'username',
  password_too_weak: 'password',
  invitation_required: 'invitation', invitation_invalid: 'invitation',
  terms_not_accepted: 'terms',
  invalid_code: 'code',
};

/**
 * `send(values)` calls the API; `refused(refusal)` may answer true to have dealt with a refusal itself.
 * `content` are the elements above the button, fields' elements among them.
 */
export function form({ fields, content, submit, busy, send, refused, label }) {
  const messages = el('div', { class: 'messages' });
  const button = el('button', { class: 'button primary wide', type: 'submit' }, submit);
  const element = el('form', { novalidate: true, 'aria-label': label }, messages, ...(content ?? fields.map((each) => each.element)), button);
  let sending = false;

  element.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (sending || !complete()) return;
    sending = true;
    say();
    wait(button, busy);
    try {
      await send(Object.fromEntries(fields.map((each) => [each.name, each.value])));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (!(await refused?.(error))) place(error);
    } finally {
      sending = false;
      resume(button, submit);
    }
  });

  function complete() {
    let first = null;
    for (const each of fields) {
      const problem = each.problem();
      each.say(problem);
      if (problem || each.reject?.()) first ??= each;
    }
    first?.focus();
    return !first;
  }

  function place(refusal) {
    const name = (refusal.field ?? FIELD_OF[refusal.code])?.replace(/^(fields|accept)\./, '');
    const found = fields.find((each) => each.name === name || each.name === `fields.${name}`);
    if (!found) return say({ kind: 'danger', refusal });
    if (refusal.unmet.length && found.sayUnmet) found.sayUnmet(refusal.unmet);
    else found.say(explain(refusal));
    found.focus();
  }

  /** Shows one message above the fields, read at once; none without an argument. */
  function say(message) {
    messages.replaceChildren();
    if (!message) return;
    messages.setAttribute('role', message.kind === 'danger' || message.kind === 'warning' ? 'alert' : 'status');
    messages.append(notice(message));
    messages.scrollIntoView({ block: 'nearest' });
  }

  return { element, say };
}

/** A button whose work is under way keeps its focus and says what it does. */
function wait(button, text) {
  button.setAttribute('aria-disabled', 'true');
  button.classList.add('waiting');
  button.replaceChildren(el('span', { class: 'spinner', 'aria-hidden': 'true' }), text);
}

function resume(button, ...content) {
  button.removeAttribute('aria-disabled');
  button.classList.remove('waiting');
  button.replaceChildren(...content);
}

/** A button that does one thing at a time; `failed(refusal)` hears of what goes wrong. */
export function actionButton({ text, symbol, busy, act, failed, kind = 'secondary', ...attributes }) {
  const content = symbol ? [icon(symbol), text] : [text];
  const button = el('button', { class: `button ${kind}`, type: 'button', ...attributes }, ...content);
  button.addEventListener('click', async () => {
    if (button.hasAttribute('aria-disabled')) return;
    wait(button, busy);
    try {
      await act();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      failed(error);
    } finally {
      resume(button, ...content);
    }
  });
  return button;
}
