// What this browser remembers between visits: preferences, never anything about an account.
const KEY = 'doorwarden.';

export function recall(name) {
  try {
    return localStorage.getItem(KEY + name);
  } catch {
    return null;
  }
}

/** Where storage is refused the preference lasts as long as the page. */
export function remember(name, value) {
  try {
    localStorage.setItem(KEY + name, value);
  } catch { /* private windows and blocked storage */ }
}
