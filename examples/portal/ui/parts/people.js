// The accounts behind ids: their addresses, each asked for once.
import { call, Refusal } from '../api.js';
import { el } from '../element.js';
import { words } from '../language.js';
import * as session from '../session.js';

const known = new Map();

/** The account of an id, by its address as soon as that is known. */
export function person(id) {
  const element = el('span', { class: 'person' }, id.slice(0, 8));
  nameOf(id).then((name) => { element.textContent = name; });
  return element;
}

function nameOf(id) {
  const { user } = session.now();
  if (id === user.id) return Promise.resolve(user.email);
  if (!known.has(id)) known.set(id, ask(id));
  return known.get(id);
}

async function ask(id) {
  try {
    return (await call('GET', `/admin/users/${encodeURIComponent(id)}`)).email;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.code === 'not_found') return words.people.deleted(id.slice(0, 8));
    // Another time it may be answered.
    known.delete(id);
    return id.slice(0, 8);
  }
}
