// The server asks for a step that this console doesn't have: said plainly, never passed over.
import { el } from '../element.js';
import { words } from '../language.js';
import { go } from '../page.js';
import { card } from '../parts/card.js';
import { notice } from '../parts/notice.js';

export function open({ status }) {
  card({
    title: words.unknownStep.title,
    body: [
      notice({ kind: 'warning', text: words.unknownStep.text(String(status)) }),
      el('button', { type: 'button', class: 'button primary wide', onclick: () => location.reload() }, words.unknownStep.reload),
      el('button', { type: 'button', class: 'button secondary wide', onclick: () => go('login') }, words.toLogin),
    ],
  });
}
