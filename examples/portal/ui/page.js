// Goes from page to page. A page is a file in `pages/` with `open(state, signal)`; the signal fires when the reader leaves it.
import { options } from './options.js';
import { unreachable } from './parts/unreachable.js';
import { pathOf, placeOf } from './places.js';

const app = document.getElementById('app');
let shown = { name: null, state: {} };
let stay = new AbortController();

export const current = () => shown.name;

export async function go(name, state = {}) {
  const visit = { name, state };
  const from = shown.name;
  shown = visit;
  let page;
  try {
    page = await import(`./pages/${name}.js`);
  } catch {
    return unreachable();
  }
  if (shown !== visit) return;
  leave();
  settle(name, state, from);
  page.open(state, stay.signal);
}

/** Draws the page anew, in another language, with what was typed so far. */
export async function again() {
  const typed = [...app.querySelectorAll('input[name]:not([type="radio"])')].map(({ name, value, checked }) => ({ name, value, checked }));
  await go(shown.name, shown.state);
  for (const { name, value, checked } of typed) {
    const input = app.querySelector(`input[name="${CSS.escape(name)}"]`);
    if (!input) continue;
    Object.assign(input, { value, checked });
    input.dispatchEvent(new Event('input', { bubbles: true }));
  }
  app.querySelector('.language select')?.focus();
}

/** Puts a page's content in place. */
export function show(title, ...content) {
  document.title = options ? `${title} · ${options.console.name}` : title;
  app.replaceChildren(...content);
  app.removeAttribute('aria-busy');
  scrollTo(0, 0);
}

function leave() {
  stay.abort();
  stay = new AbortController();
  document.querySelectorAll('dialog:not([data-stays])').forEach((dialog) => dialog.remove());
}

/** After these the next reader may be somebody else, who shouldn't come to where this one was. */
const FAREWELLS = new Set(['logged_out', 'logged_out_elsewhere', 'account_deleted']);

/** The address of what is shown. A login on the way to a page leaves that page's address where it is. */
function settle(name, { ended }, from) {
  const place = pathOf(name);
  const path = place ?? (['login', 'check-mail'].includes(name) ? '/' : null);
  if (path === null || (location.pathname === path && !location.hash)) return;
  if (name === 'login' && pathOf(placeOf(location.pathname)) === location.pathname && !FAREWELLS.has(ended)) return;
  if (place && pathOf(from)) history.pushState(null, '', path);
  else history.replaceState(null, '', path);
}
