// A dialog that goes from view to view: a title, a sentence about it, messages, and what there is to do.
import { Refusal } from '../api.js';
import { el } from '../element.js';
import { words } from '../language.js';
import { openModal } from './modal.js';
import { notice } from './notice.js';

/** `closed` runs once, however it closes. */
export function openViews({ title, intro = words.loading, size, closed }) {
  const about = el('p', { class: 'intro' }, intro);
  const messages = el('div', { class: 'messages' });
  const content = el('div', { class: 'views' });
  const modal = openModal({ title, body: [about, messages, content], size, closed });
  const heading = modal.element.querySelector('h2');
  let unkept = false;
  // What is shown once isn't lost by a stray Escape.
  modal.element.addEventListener('cancel', (event) => unkept && event.preventDefault());

  /** Puts the next view in place and the focus on its first field. */
  function show(name, sentence, ...view) {
    unkept = false;
    heading.textContent = name;
    about.textContent = sentence;
    messages.replaceChildren();
    content.replaceChildren(...view.filter(Boolean));
    (content.querySelector('input:not([readonly])') ?? heading).focus();
  }

  /** A view of what can't be shown again; it is left by its own button alone. */
  function showOnce(...view) {
    show(...view);
    unkept = true;
  }

  function say(message) {
    messages.setAttribute('role', message.kind === 'success' || message.kind === 'info' ? 'status' : 'alert');
    messages.replaceChildren(notice(message));
    messages.scrollIntoView({ block: 'nearest' });
  }

  /** A view in place of what couldn't be loaded, with the ways on from there. */
  function showFailure(error, ...view) {
    if (!(error instanceof Refusal)) throw error;
    if (error.endsSession) return modal.close();
    show(...view);
    say({ kind: 'danger', refusal: error });
  }

  const button = (text, act, kind = 'secondary') => el('button', { type: 'button', class: `button ${kind} wide`, onclick: act }, text);
  return {
    show, showOnce, showFailure, say, button,
    close: () => modal.close(),
    closeButton: () => button(words.close, () => modal.close()),
  };
}
