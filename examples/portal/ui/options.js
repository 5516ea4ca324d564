// What the server lets this console offer, and the portal's own note about a development set-up.
import { call } from './api.js';

export let options = null;
/** Where mails lie as files instead of being sent, or null. */
export let mailFolder = null;

export async function loadOptions() {
  [options, mailFolder] = await Promise.all([call('GET', '/options'), loadMailFolder()]);
}

export const signUpOffered = () => options.sign_up.open || options.sign_up.invitation !== 'off';

async function loadMailFolder() {
  try {
    const response = await fetch('/portal.json', { credentials: 'same-origin' });
    return response.ok ? (await response.json()).mail_folder ?? null : null;
  } catch {
    return null;
  }
}
