// A message in a box: what happened, what to do next, and, where the server says how long, the time that is left.
import { spell } from '../clock.js';
import { announce, el } from '../element.js';
import { icon } from '../icon.js';
import { words } from '../language.js';

const ICONS = { danger: 'alert', warning: 'alert', info: 'info', success: 'check' };

/** `{kind, text}` or `{kind, refusal}`, with `actions` as buttons below the text. */
export function notice({ kind = 'info', text, refusal, actions = [] }) {
  const body = refusal ? explained(refusal) : [el('span', null, text)];
  const reference = refusal?.reference && el('span', { class: 'notice-more' }, words.refusals.reference(refusal.reference));
  return el('div', { class: `notice ${kind}` },
    icon(ICONS[kind]),
    el('div', { class: 'notice-text' }, ...body, reference, actions.length > 0 && el('div', { class: 'notice-actions' }, ...actions)));
}

/** The plain words for a refusal's code. */
export function explain(refusal) {
  if (refusal.code === 'locked_out' && !(refusal.retryAfterSeconds > 0)) return words.refusals.locked_for_good;
  if (refusal.code === 'sign_up_refused' && refusal.detail) return refusal.detail;
  return words.refusals[refusal.code] ?? words.ended[refusal.code] ?? words.refusals.unknown(refusal.code);
}

/** The ticking number is hidden from screen readers, which hear the whole time once and then that it is over. */
function explained(refusal) {
  const text = explain(refusal);
  if (!text.includes('{time}')) return [el('span', null, text)];
  const seconds = refusal.retryAfterSeconds;
  if (!(seconds > 0)) return [el('span', null, text.replace('{time}', words.refusals.fewSeconds))];
  const [before, after] = text.split('{time}');
  const ticking = el('b', { class: 'countdown' });
  const seen = el('span', { 'aria-hidden': 'true' }, before, ticking, after);
  const heard = el('span', { class: 'unseen' }, text.replace('{time}', spell(seconds)));
  countDown(seconds, (left) => {
    ticking.textContent = spell(left);
    if (left > 0) return seen.isConnected || left === seconds;
    announce(words.time.over);
    seen.textContent = words.time.over;
    heard.remove();
    return false;
  });
  return [seen, heard];
}

/** Calls back each second with what is left until told to stop. It reads the clock, since timers sleep in hidden tabs. */
function countDown(seconds, show) {
  const end = performance.now() + seconds * 1000;
  show(seconds);
  const timer = setInterval(() => {
    if (!show(Math.max(0, Math.ceil((end - performance.now()) / 1000)))) clearInterval(timer);
  }, 1000);
}
