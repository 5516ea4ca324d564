// Starts the console: takes a link's token out of the address bar, learns the options, and opens the page of this path.
import { Refusal } from './api.js';
import { wearBrand } from './brand.js';
import { chooseLanguage } from './language.js';
import { loadOptions, options } from './options.js';
import { again, current, go } from './page.js';
import { unreachable } from './parts/unreachable.js';
import { placeOf } from './places.js';
import * as session from './session.js';

const given = new URLSearchParams(location.search);
const [token, invitation] = [given.get('token'), given.get('invitation')];
if (location.search) history.replaceState(null, '', location.pathname);

async function start() {
  try {
    await loadOptions();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    await chooseLanguage(['en', 'ko']);
    return unreachable(error);
  }
  await chooseLanguage(options.console.locales);
  wearBrand(options.console);
  if (location.pathname === '/verify-email') return go('verify-email', { token });
  if (location.pathname === '/reset-password') return go('reset-password', { token });
  if (location.pathname === '/confirm-email') return go('confirm-email', { token });
  if (location.pathname === '/undo-email') return go('undo-email', { token });
  if (location.pathname === '/sign-up') return go('sign-up', { invitation });
  if (location.pathname === '/first-administrator') return go('first-administrator', { token });
  return home();
}

/** The page of this address for whoever is logged in, the login dialog for everybody else. */
async function home() {
  try {
    await session.restore();
    await go(placeOf(location.pathname));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (!error.endsSession) return unreachable(error);
    await go('login', error.code === 'session_required' ? {} : { ended: error.code });
  }
}

session.changes.addEventListener('ended', ({ detail }) => {
  go('login', { ended: detail.code });
});
session.changes.addEventListener('warning', async () => {
  const { openSessionWarning } = await import('./dialogs/session-warning.js');
  openSessionWarning();
});
session.changes.addEventListener('logged-in-elsewhere', () => {
  if (session.now() || current() === 'login') home();
});
document.addEventListener('languagechange', again);
addEventListener('popstate', () => session.now() && go(placeOf(location.pathname)));
// A page that the browser kept from before a log-out must not show its old content.
addEventListener('pageshow', (event) => event.persisted && location.reload());

start();
