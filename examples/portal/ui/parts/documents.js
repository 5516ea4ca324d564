// The terms of service and the privacy policy: a box for each to accept, with the document behind a link.
import { el, uniqueId } from '../element.js';
import { icon } from '../icon.js';
import { words } from '../language.js';

/** Form fields for the documents that are asked for; their values are the versions that were shown. */
export function documentFields({ terms, privacy }) {
  return [terms && documentField('terms', terms), privacy && documentField('privacy', privacy)].filter(Boolean);
}

/** The `accept` of a request: what was accepted, by the version shown. */
export function accepted(fields) {
  return Object.fromEntries(fields.map((each) => [each.name, each.version]));
}

function documentField(name, { version, url }) {
  const id = uniqueId(name);
  const error = el('p', { class: 'field-error', id: `${id}-error`, hidden: true });
  const input = el('input', { type: 'checkbox', id, name, required: true, 'aria-describedby': `${id}-version ${id}-error` });
  const element = el('div', { class: 'field accept' },
    el('div', { class: 'check' }, input, el('label', { for: id }, ...words.terms.accept(link(words.terms[name], url)))),
    el('p', { class: 'hint', id: `${id}-version` }, words.terms.version(version)),
    error);

  function say(text) {
    error.replaceChildren(...(text ? [icon('alert'), el('span', null, text)] : []));
    error.hidden = !text;
    if (text) input.setAttribute('aria-invalid', 'true');
    else input.removeAttribute('aria-invalid');
  }
  input.addEventListener('change', () => say(null));
  return {
    name, version, element, say,
    problem: () => (input.checked ? null : words.terms.missing(words.terms[name])),
    focus: () => input.focus(),
    get value() {
      return input.checked;
    },
  };
}

/** Only a web address becomes a link. */
function link(title, url) {
  const address = URL.canParse(url, location.origin) && new URL(url, location.origin);
  if (!url || !/^https?:$/.test(address.protocol)) return el('b', null, title);
  return el('a', { href: address.href, target: '_blank', rel: 'noopener noreferrer' }, title, el('span', { class: 'unseen' }, ` (${words.newTab})`));
}
