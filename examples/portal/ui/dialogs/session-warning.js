// Two minutes before the session ends: extend it here, or know that it will end.
import { el } from '../element.js';
import { words } from '../language.js';
import { actionButton } from '../parts/form.js';
import { openModal } from '../parts/modal.js';
import { notice } from '../parts/notice.js';
import { timeLeft } from '../parts/session-timer.js';
import * as session from '../session.js';

export function openSessionWarning() {
  if (!session.now()) return;
  const open = new AbortController();
  const extendable = session.canExtend() || session.now().limit === 'idle';
  const [before, after] = words.timer.warningLeft;
  const messages = el('div', { class: 'messages', role: 'alert' });
  const extend = extendable && actionButton({
    text: words.timer.extend, busy: words.timer.extending, kind: 'primary', act: session.extend,
    failed: (refusal) => refusal.endsSession || messages.replaceChildren(notice({ kind: 'danger', refusal })),
  });
  const leave = extendable
    ? actionButton({ text: words.shell.logOut, busy: words.shell.loggingOut, act: session.logOut, failed: (refusal) => messages.replaceChildren(notice({ kind: 'danger', refusal })) })
    : el('button', { type: 'button', class: 'button primary', onclick: () => modal.close() }, words.timer.understood);
  const modal = openModal({
    title: words.timer.warning,
    urgent: true,
    stays: true,
    closed: () => open.abort(),
    body: [
      el('p', { class: 'intro warning-left' }, before, timeLeft(open.signal), after, ' ', extendable ? words.timer.warningExtend : words.timer.warningFixed),
      messages,
      el('div', { class: 'modal-actions' }, leave, extend),
    ],
  });
  // Extended here or in another tab: there is nothing to warn of any more.
  const { endsAt } = session.now();
  session.changes.addEventListener('changed', () => session.now().endsAt > endsAt && modal.close(), { signal: open.signal });
  session.changes.addEventListener('ended', () => modal.close(), { signal: open.signal });
}
