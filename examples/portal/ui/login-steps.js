// What follows a login's answer, by its `status`. A step that comes later has its file in `pages/` or `dialogs/` and its line here.
import { go } from './page.js';
import { placeOf } from './places.js';
import * as session from './session.js';

const STEPS = {
  logged_in({ user, session: opened }) {
    session.adopt(user, opened);
    session.announceLogin();
    return go(placeOf(location.pathname));
  },
  otp_required: (step) => go('otp', { step }),
  totp_setup_required: (step) => go('totp-setup', { step }),
  password_change_required: (step) => go('password-change', { step }),
  terms_required: (step) => go('terms', { step }),
  async session_conflict(step) {
    const { openSessionConflict } = await import('./dialogs/session-conflict.js');
    openSessionConflict(step);
  },
};

/** Goes to the dialog of a step; one that this console doesn't know is named instead of passed over. */
export function takeStep(step) {
  const known = Object.hasOwn(STEPS, step.status) ? STEPS[step.status] : () => go('unknown-step', { status: step.status });
  return known(step);
}

/** A ticket that is used up or too old sends its reader back to the start of the login. */
export function ticketGone(refusal) {
  if (refusal.code !== 'ticket_invalid') return false;
  go('login', { ended: 'ticket_invalid' });
  return true;
}
