// The words of the console: one file a language in `lang/`, chosen by the reader, the browser and the policy in this order.
import { recall, remember } from './memory.js';

export let words = null;
let spoken = 'en';
let offered = ['en'];

export const language = () => spoken;
export const languages = () => offered;

/** Takes the first language that is wanted and offered; the first offered is the default. */
export async function chooseLanguage(locales) {
  offered = locales.length ? locales : ['en'];
  const wanted = [recall('language'), ...navigator.languages].filter(Boolean);
  const primary = (tag) => tag.toLowerCase().split('-')[0];
  const match = wanted.map((tag) => offered.find((locale) => primary(locale) === primary(tag))).find(Boolean);
  await speak(match ?? offered[0]);
}

/** Changes the language at the reader's wish; the page is drawn again. */
export async function changeLanguage(locale) {
  await speak(locale);
  remember('language', locale);
  document.dispatchEvent(new Event('languagechange'));
}

/** The language's own name for itself. */
export function nameOf(locale) {
  return new Intl.DisplayNames([locale], { type: 'language' }).of(locale);
}

async function speak(locale) {
  const load = (name) => import(`./lang/${name}.js`);
  words = (await load(locale).catch(() => load('en'))).default;
  spoken = locale;
  document.documentElement.lang = locale;
}
