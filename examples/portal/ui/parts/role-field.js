// The choice of a role: user, administrator, or a name of the host's own.
import { el } from '../element.js';
import { words } from '../language.js';
import { choiceField, field } from './field.js';

const OTHER = 'other…';

/** The role as a reader knows it. */
export const roleName = (role) => words.start.roles[role] ?? role;

export function roleField(value = 'user') {
  const { roles } = words;
  const known = Object.keys(words.start.roles).includes(value) ? [] : [[value, value]];
  const own = field({
    name: 'role', label: roles.own, hint: roles.ownHint, autocomplete: 'off', maxCharacters: 64,
    check: (text) => (/^[a-z0-9_-]+$/.test(text) ? null : roles.ownHint),
  });
  const choice = choiceField({
    name: 'role', label: roles.label, value,
    choices: [['user', roleName('user')], ['admin', roleName('admin')], ...known, [OTHER, roles.other]],
    changed() {
      own.element.hidden = !other();
      if (other()) own.focus();
    },
  });
  const other = () => choice.value === OTHER;
  const asked = () => (other() ? own : choice);
  own.element.hidden = true;
  return {
    name: 'role',
    element: el('div', { class: 'role-field' }, choice.element, own.element),
    get value() {
      return asked().value;
    },
    problem: () => asked().problem(),
    say: (text) => asked().say(text),
    focus: () => asked().focus(),
  };
}
