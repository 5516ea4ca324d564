// What is left of the session, ticking, and the button that starts it again.
import { digits, spell } from '../clock.js';
import { announce, el } from '../element.js';
import { words } from '../language.js';
import * as session from '../session.js';
import { actionButton } from './form.js';

/** The digits for the eye each second; for the ear the time in words, renewed each minute. */
export function timeLeft(signal) {
  const seen = el('span', { 'aria-hidden': 'true' });
  const heard = el('span', { class: 'unseen' });
  const element = el('span', { class: 'time-left', role: 'timer' }, seen, heard);
  const draw = () => {
    const left = session.remainingSeconds();
    seen.textContent = digits(left);
    const text = left > 60 ? spell(Math.ceil(left / 60) * 60) : spell(left);
    if (heard.textContent !== text) heard.textContent = text;
    element.classList.toggle('short', left <= 120);
  };
  draw();
  session.changes.addEventListener('tick', draw, { signal });
  session.changes.addEventListener('changed', draw, { signal });
  return element;
}

/** Shown only while the session can be extended. `failed(refusal)` shows a refusal beside it. */
export function extendButton({ signal, failed, kind = 'secondary', extended = () => {} }) {
  const button = actionButton({
    kind, text: words.timer.extend, busy: words.timer.extending, failed,
    async act() {
      await session.extend();
      announce(words.timer.extended(spell(session.remainingSeconds())));
      extended();
    },
  });
  const draw = () => { button.hidden = !session.canExtend(); };
  draw();
  session.changes.addEventListener('changed', draw, { signal });
  return button;
}
