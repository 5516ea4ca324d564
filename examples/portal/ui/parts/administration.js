// The frame of the pages for administrators. Others are told so, and an administrator who is none any more hears of it.
import { Refusal } from '../api.js';
import { el } from '../element.js';
import { icon } from '../icon.js';
import { words } from '../language.js';
import { current, go } from '../page.js';
import { isAdministrator } from '../places.js';
import * as session from '../session.js';
import { notice } from './notice.js';
import { shell } from './shell.js';

/** `act` is the page's main button. `content()` is asked for administrators alone. */
export function administrationPage({ name, title, intro, act, content }, state, signal) {
  const head = (...beside) => el('div', { class: 'page-head' },
    el('div', { class: 'greeting' }, el('h1', { tabindex: '-1' }, title), isAdministrator() && el('p', null, intro)), ...beside);
  if (!isAdministrator()) {
    const { administration } = words;
    const back = el('button', { type: 'button', class: 'button secondary', onclick: () => go('start') }, administration.toStart);
    const told = notice({ kind: 'warning', text: state.demoted ? administration.demoted : administration.forbidden });
    told.setAttribute('role', 'alert');
    return shell({ name, title, content: [head(), el('div', { class: 'refused' }, told, back)] }, signal);
  }
  const button = act && el('button', { type: 'button', class: 'button primary', onclick: act.open }, icon('plus'), act.text);
  shell({ name, title, content: [head(button), ...content()] }, signal);
}

/** Whether a refusal means that the reader is no administrator any more; then the page says so in place of all else. */
export async function demoted(refusal) {
  if (refusal.code !== 'forbidden') return false;
  try {
    await session.restore();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return error.endsSession;
  }
  if (isAdministrator()) return false;
  await go(current(), { demoted: true });
  return true;
}
