// Everybody's accounts, for administrators: searched, paged, and each opened in a dialog that can change it.
import { call } from '../api.js';
import { day } from '../clock.js';
import { el } from '../element.js';
import { words } from '../language.js';
import { openNewUser } from '../dialogs/new-user.js';
import { changes, openUser } from '../dialogs/user.js';
import { administrationPage, demoted } from '../parts/administration.js';
import { pagedTable } from '../parts/paged-table.js';
import { roleName } from '../parts/role-field.js';
import { searchField } from '../parts/search-field.js';
import { statesOf } from '../parts/user-states.js';
import { displayName } from '../parts/user-menu.js';

const PAGE = 25;

/** `state.query` is what was searched for. */
export function open(state, signal) {
  const { users } = words;
  administrationPage({
    name: 'users', title: users.title, intro: users.intro,
    act: { text: users.add, open: openNewUser },
    content() {
      const table = pagedTable({
        label: users.title,
        columns: [users.who, users.role, users.state, users.since],
        key: (user) => user.id,
        row: (user) => [who(user), roleName(user.role), el('span', { class: 'badges' }, ...statesOf(user)), day(user.created_at)],
        empty: () => (state.query ? users.noMatch(state.query) : users.none),
        refused: demoted,
        async load(cursor) {
          const asked = new URLSearchParams({ limit: PAGE, ...(state.query && { query: state.query }), ...(cursor && { cursor }) });
          const { users: items, next_cursor: next } = await call('GET', `/admin/users?${asked}`);
          return { items, next };
        },
      });
      changes.addEventListener('added', table.reload, { signal });
      changes.addEventListener('changed', ({ detail }) => table.put(detail), { signal });
      changes.addEventListener('removed', ({ detail }) => table.remove(detail), { signal });
      table.reload();
      return [el('section', { class: 'panel list', 'aria-label': users.title },
        searchField({ name: 'query', label: users.search, value: state.query, search(text) {
          state.query = text;
          table.reload();
        } }),
        table.element)];
    },
  }, state, signal);
}

/** The name opens the account; its other names stand below. */
function who(user) {
  const others = [user.email, user.username].filter((name) => name && name !== displayName(user));
  return el('div', { class: 'who' },
    el('button', { type: 'button', class: 'link row-link', onclick: () => openUser(user.id) }, displayName(user)),
    others.length > 0 && el('p', { class: 'hint' }, others.join(' · ')));
}
