// One labelled input with its hint and its error, both tied to it for screen readers.
import { el, uniqueId } from '../element.js';
import { icon } from '../icon.js';
import { words } from '../language.js';

/**
 * Attributes beside these go to the input. `check(value)` answers what is wrong, or null; `raw` keeps white space at the ends.
 */
export function field({ name, label, hint, required = true, maxCharacters, check, after, raw = false, ...attributes }) {
  const id = uniqueId(name.replace(/\W/g, '-'));
  const error = el('p', { class: 'field-error', id: `${id}-error`, hidden: true });
  const input = el('input', {
    id, name, required, type: 'text', spellcheck: 'false', autocapitalize: 'off', ...attributes,
    'aria-describedby': `${hint ? `${id}-hint ` : ''}${id}-error`,
  });
  const element = el('div', { class: 'field' },
    el('label', { for: id }, label, !required && el('span', { class: 'optional' }, words.optional)),
    el('div', { class: 'control' }, input, after),
    hint && el('p', { class: 'hint', id: `${id}-hint` }, hint),
    error);

  function say(text) {
    error.replaceChildren(...(text ? [icon('alert'), el('span', null, text)] : []));
    error.hidden = !text;
    if (text) input.setAttribute('aria-invalid', 'true');
    else input.removeAttribute('aria-invalid');
  }
  input.addEventListener('input', () => say(null));

  return {
    name, label, element, input, say,
    get value() {
      return raw ? input.value : input.value.trim();
    },
    problem() {
      if (required && !this.value) return words.field.missing(label);
      if (maxCharacters && [...this.value].length > maxCharacters) return words.field.tooLong(maxCharacters);
      return (this.value && check?.(this.value)) || null;
    },
    focus() {
      input.focus();
    },
  };
}

export function emailField(more = {}) {
  return field({
    name: 'email', label: words.field.email, type: 'email', autocomplete: 'email', inputmode: 'email',
    check: (value) => (/^[^\s@]+@[^\s@]+$/.test(value) ? null : words.field.notAnEmail),
    ...more,
  });
}

export function usernameField(more = {}) {
  return field({
    name: 'username', label: words.field.username, autocomplete: 'username', required: false,
    hint: words.signUp.usernameHint, ...more,
  });
}

/** One of a few values, `choices` being pairs of value and text. */
export function choiceField({ name, label, choices, value = choices[0][0], changed, hint }) {
  const id = uniqueId(name);
  const option = ([each, text]) => el('option', { value: each, selected: each === value }, text);
  const error = el('p', { class: 'field-error', id: `${id}-error`, hidden: true });
  const input = el('select', { id, name, 'aria-describedby': `${hint ? `${id}-hint ` : ''}${id}-error`, onchange: changed }, ...choices.map(option));
  return {
    name, input,
    element: el('div', { class: 'field' }, el('label', { for: id }, label), el('div', { class: 'control' }, input), hint && el('p', { class: 'hint', id: `${id}-hint` }, hint), error),
    get value() {
      return input.value;
    },
    problem: () => null,
    say(text) {
      error.replaceChildren(...(text ? [icon('alert'), el('span', null, text)] : []));
      error.hidden = !text;
    },
    focus: () => input.focus(),
  };
}
