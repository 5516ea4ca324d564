// Names and their values, one below the other.
import { el } from '../element.js';

/** Pairs of name and value; what is no pair, or has no value, is left out. */
export function facts(pairs) {
  const known = pairs.filter((pair) => pair && pair[1] !== undefined && pair[1] !== null && pair[1] !== '');
  return el('dl', { class: 'facts' }, ...known.map(([name, value]) => el('div', null, el('dt', null, name), el('dd', null, value))));
}
