// What stands in place of a page that couldn't be loaded.
import { Refusal } from '../api.js';
import { el } from '../element.js';
import { words } from '../language.js';
import { card } from './card.js';
import { notice } from './notice.js';

export function unreachable(refusal = new Refusal({ code: 'unreachable' })) {
  const retry = el('button', { class: 'button primary wide', type: 'button', onclick: () => location.reload() }, words.again);
  card({ title: words.unreachable.title, body: [notice({ kind: 'danger', refusal }), retry] });
}
