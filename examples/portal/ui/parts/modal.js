// A dialog on top of the page: the browser keeps the focus inside, closes it by Escape, and gives the focus back.
import { el, uniqueId } from '../element.js';

/** The first of `body` says what it is about. `closed` runs once, however it closes; `urgent` is an alert dialog; one that `stays` outlives a change of page below it. */
export function openModal({ title, body, closed, size = '', urgent = false, stays = false }) {
  const id = uniqueId('modal-title');
  const heading = el('h2', { id, tabindex: '-1' }, title);
  body[0].id = `${id}-about`;
  const element = el('dialog', { class: `modal ${size}`, 'aria-labelledby': id, 'aria-describedby': body[0].id, role: urgent ? 'alertdialog' : null, 'data-stays': stays }, heading, ...body);
  const opener = document.activeElement;
  element.addEventListener('close', () => {
    element.remove();
    // The page below may be another one by now, without what had the focus before.
    if (document.activeElement === document.body) (opener?.isConnected ? opener : document.querySelector('h1'))?.focus();
    closed?.();
  });
  document.body.append(element);
  element.showModal();
  (element.querySelector('input:not([readonly])') ?? heading).focus();
  return { element, close: () => element.close() };
}
