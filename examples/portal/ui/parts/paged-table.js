// A table that is filled page by page and becomes cards on a phone: skeleton, rows, nothing there, couldn't be loaded.
import { Refusal } from '../api.js';
import { announce, el } from '../element.js';
import { words } from '../language.js';
import { actionButton } from './form.js';
import { notice } from './notice.js';

const SKELETON_ROWS = 5;

/**
 * `columns` are the heads' texts, `row(item)` answers as many cells, the first of which names the row.
 * `load(cursor)` answers `{items, next}`; `empty()` says why there is nothing; `refused(refusal)` may deal with a refusal itself.
 */
export function pagedTable({ label, columns, key, load, row, empty, refused = () => false }) {
  const messages = el('div', { class: 'messages', role: 'alert' });
  const body = el('tbody', { role: 'rowgroup' });
  const nothing = el('p', { class: 'empty-list', hidden: true });
  const count = el('p', { class: 'hint' });
  const more = actionButton({ text: words.list.more, busy: words.loading, kind: 'secondary small', hidden: true, act: goOn, failed: fail });
  // The roles say again what the elements are: styled as cards they would lose it.
  const table = el('table', { role: 'table', 'aria-label': label },
    el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' }, ...columns.map((text) => el('th', { role: 'columnheader', scope: 'col' }, text || el('span', { class: 'unseen' }, words.list.actions))))),
    body);
  const foot = el('div', { class: 'paged-foot' }, count, more);
  const element = el('div', { class: 'paged' }, messages, table, nothing, foot);
  const rows = new Map();
  let cursor = null;
  let reading = null;

  /** From the first page on; an answer to an older question is passed over. */
  async function reload() {
    const asked = Symbol('question');
    reading = asked;
    messages.replaceChildren();
    if (!rows.size) skeleton();
    element.setAttribute('aria-busy', 'true');
    try {
      const page = await load(null);
      if (reading !== asked) return;
      rows.clear();
      body.replaceChildren();
      add(page);
      announce(rows.size ? words.list.shown(rows.size) : nothing.textContent);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (reading !== asked) return;
      rows.clear();
      body.replaceChildren();
      more.hidden = true;
      draw();
      nothing.hidden = true;
      await fail(error);
    } finally {
      if (reading === asked) element.removeAttribute('aria-busy');
    }
  }

  async function goOn() {
    const asked = reading;
    const page = await load(cursor);
    if (reading !== asked) return;
    const first = add(page);
    announce(words.list.shown(rows.size));
    if (more.hidden) (first?.querySelector('button, a') ?? count).focus();
  }

  function add({ items, next }) {
    const made = items.map((item) => [key(item), line(item)]);
    for (const [id, each] of made) rows.set(id, each);
    body.append(...made.map(([, each]) => each));
    cursor = next;
    more.hidden = !cursor;
    draw();
    return made[0]?.[1];
  }

  function line(item) {
    const [name, ...others] = row(item);
    return el('tr', { role: 'row' },
      el('th', { role: 'rowheader', scope: 'row' }, name),
      ...others.map((content, index) => el('td', { role: 'cell', 'data-label': columns[index + 1] }, content)));
  }

  function draw() {
    table.hidden = rows.size === 0;
    foot.hidden = rows.size === 0;
    nothing.hidden = rows.size > 0;
    nothing.textContent = rows.size ? '' : empty();
    count.textContent = rows.size ? words.list.shown(rows.size) : '';
  }

  function skeleton() {
    const bone = () => el('span', { class: 'bone bone-line' });
    table.hidden = false;
    nothing.hidden = true;
    body.replaceChildren(...Array.from({ length: SKELETON_ROWS }, () => el('tr', { 'aria-hidden': 'true', class: 'bones' }, ...columns.map(() => el('td', null, bone())))));
  }

  async function fail(refusal) {
    if (refusal.endsSession || await refused(refusal)) return;
    const retry = el('button', { type: 'button', class: 'button secondary small', onclick: reload }, words.again);
    messages.replaceChildren(notice({ kind: 'danger', refusal, actions: [retry] }));
  }

  return {
    element, reload,
    /** Shows what the item is now. Its name stays the element that it was: the focus may have to come back to it. */
    put(item) {
      const shown = rows.get(key(item));
      if (!shown) return;
      shown.replaceChildren(shown.firstElementChild, ...[...line(item).children].slice(1));
    },
    remove(id) {
      rows.get(id)?.remove();
      rows.delete(id);
      draw();
    },
  };
}
