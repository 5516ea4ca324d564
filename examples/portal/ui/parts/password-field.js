// A password's input: it can be shown, says when Caps Lock is on, and for a new password ticks off the policy's rules while typing.
import { announce, el, uniqueId } from '../element.js';
import { icon } from '../icon.js';
import { words } from '../language.js';
import { options } from '../options.js';
import { field } from './field.js';

/** Counted as the server counts: code points of the composed form (NFC), letters and digits of all scripts. */
const RULES = {
  min_length: (text, policy) => [...text].length >= policy.min_length,
  max_length: (text, policy) => [...text].length <= policy.max_length,
  letter: (text) => /\p{L}/u.test(text),
  digit: (text) => /\p{Nd}/u.test(text),
  special: (text) => /[^\p{L}\p{Nd}\s]/u.test(text),
};

export function passwordField({ name = 'password', label = words.field.password, autocomplete = 'current-password', ...more } = {}) {
  const eye = el('button', { type: 'button', class: 'in-field', 'aria-pressed': 'false', 'aria-label': words.field.showPassword, title: words.field.showPassword }, icon('eye'));
  const caps = el('p', { class: 'hint caps', role: 'status' });
  const made = field({ name, label, type: 'password', autocomplete, after: eye, raw: true, ...more });
  made.element.querySelector('.control').after(caps);

  eye.addEventListener('click', () => {
    const shown = made.input.type === 'password';
    made.input.type = shown ? 'text' : 'password';
    eye.setAttribute('aria-pressed', String(shown));
    eye.replaceChildren(icon(shown ? 'eyeOff' : 'eye'));
  });
  for (const kind of ['keydown', 'keyup', 'mousedown']) {
    made.input.addEventListener(kind, (event) => {
      const on = event.getModifierState?.('CapsLock') ?? false;
      if (on !== Boolean(caps.textContent)) caps.textContent = on ? words.field.capsLock : '';
    });
  }
  made.input.addEventListener('blur', () => { caps.textContent = ''; });
  return made;
}

/** A new password under the policy's rules. `sayUnmet` marks those that the server names. */
export function newPasswordField(more = {}) {
  const policy = options.password;
  const rules = ['min_length', ...policy.require.filter((rule) => RULES[rule])];
  const made = passwordField({ autocomplete: 'new-password', ...more });
  const items = new Map(rules.map((rule) => [rule, ruleItem(words.rules[rule](policy))]));
  const id = uniqueId('rules');
  const list = el('div', { class: 'rules', id },
    el('p', { class: 'rules-title' }, words.rules.title),
    el('ul', null, ...[...items.values()].map((item) => item.element)));
  made.element.querySelector('.field-error').before(list);
  made.input.setAttribute('aria-describedby', `${made.input.getAttribute('aria-describedby')} ${id}`);

  const unmet = () => [...rules, 'max_length'].filter((rule) => !RULES[rule](made.input.value.normalize('NFC'), policy));
  let told = null;
  let pause = null;
  made.input.addEventListener('input', () => {
    const missing = new Set(unmet());
    list.classList.remove('failed');
    for (const [rule, item] of items) item.mark(!missing.has(rule));
    clearTimeout(pause);
    pause = setTimeout(() => {
      const met = rules.filter((rule) => !missing.has(rule)).length;
      if (met !== told) announce(words.rules.progress(met, rules.length));
      told = met;
    }, 800);
  });

  made.sayUnmet = (names) => {
    list.classList.add('failed');
    for (const [rule, item] of items) item.mark(!names.includes(rule), 'close');
    const others = names.filter((name) => !items.has(name) && words.rules[name]).map((name) => words.rules[name](policy));
    made.say(others.length ? others.join(' ') : words.rules.failed);
  };
  made.reject = () => {
    const missing = made.input.value ? unmet() : [];
    if (missing.length) made.sayUnmet(missing);
    return missing.length > 0;
  };
  return made;
}

function ruleItem(text) {
  const sign = el('span', { class: 'rule-sign' }, icon('circle'));
  const state = el('span', { class: 'unseen' }, `, ${words.rules.unmet}`);
  const element = el('li', { class: 'rule' }, sign, el('span', null, text, state));
  return {
    element,
    mark(met, open = 'circle') {
      element.classList.toggle('met', met);
      sign.replaceChildren(icon(met ? 'check' : open));
      state.textContent = `, ${met ? words.rules.met : words.rules.unmet}`;
    },
  };
}
