// The switch between the console's languages, each named by itself.
import { el } from '../element.js';
import { icon } from '../icon.js';
import { changeLanguage, language, languages, nameOf, words } from '../language.js';

export function languageSelect() {
  const choices = languages().map((locale) => el('option', { value: locale, lang: locale, selected: locale === language() }, nameOf(locale)));
  const select = el('select', { 'aria-label': words.language, onchange: (event) => changeLanguage(event.target.value) }, ...choices);
  return el('label', { class: 'language' }, icon('globe'), select);
}
