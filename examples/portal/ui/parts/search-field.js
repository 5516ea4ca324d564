// A search that runs while typing, once the typing pauses, and at once by Enter.
import { el, uniqueId } from '../element.js';
import { icon } from '../icon.js';

const PAUSE = 300;
const LONGEST = 254;

export function searchField({ name, label, value = '', search }) {
  const id = uniqueId(name);
  const input = el('input', { id, name, type: 'search', value, maxlength: LONGEST, placeholder: label, 'aria-label': label, autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', enterkeyhint: 'search' });
  let asked = value;
  let pause = null;
  function ask() {
    clearTimeout(pause);
    const text = input.value.trim();
    if (text === asked) return;
    asked = text;
    search(text);
  }
  input.addEventListener('input', () => {
    clearTimeout(pause);
    pause = setTimeout(ask, PAUSE);
  });
  input.addEventListener('keydown', (event) => event.key === 'Enter' && !event.isComposing && ask());
  return el('div', { class: 'search', role: 'search' }, icon('search'), input);
}
