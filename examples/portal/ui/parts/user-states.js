// What an account's state is, in badges.
import { el } from '../element.js';
import { words } from '../language.js';

export function statesOf(user) {
  const { states } = words.users;
  const badge = (kind, text) => el('span', { class: `badge ${kind}` }, text);
  return [
    user.status === 'active' ? badge('', states.active) : badge('danger', states.disabled),
    user.restricted && badge('danger', states.restricted),
    // The link that sets the first password proves the address, too.
    user.has_password ? !user.email_verified && badge('warning', states.unverified) : badge('warning', states.withoutPassword),
    user.must_change_password && badge('warning', states.mustChange),
    user.totp_enabled && badge('quiet', states.totp),
  ].filter(Boolean);
}
