// Names the browser and the system of a session by its user agent, as far as a person needs to know one from another.
import { el } from '../element.js';
import { icon } from '../icon.js';
import { words } from '../language.js';

/** The first that matches; later ones are contained in the names of earlier ones. */
const BROWSERS = [
  [/\bEdgA?\//, 'Edge'], [/\bOPR\//, 'Opera'], [/\bSamsungBrowser\//, 'Samsung Internet'], [/\bWhale\//, 'Whale'],
  [/\bFirefox\/|\bFxiOS\//, 'Firefox'], [/\b(Headless)?Chrome\/|\bCriOS\//, 'Chrome'], [/\bSafari\//, 'Safari'], [/^curl\//, 'curl'],
];
const SYSTEMS = [
  [/\biPhone\b/, 'iPhone'], [/\biPad\b/, 'iPad'], [/\bAndroid\b/, 'Android'], [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b/, 'macOS'], [/\bCrOS\b/, 'ChromeOS'], [/\bLinux\b/, 'Linux'],
];

export function deviceName(client) {
  const agent = client?.user_agent ?? '';
  const browser = named(BROWSERS, agent);
  const system = named(SYSTEMS, agent);
  if (browser && system) return words.client.on(browser, system);
  return browser ?? system ?? words.client.unknown;
}

export function deviceIcon(client) {
  const phone = /iPhone|iPad|Android|Mobile/.test(client?.user_agent ?? '');
  return el('span', { class: 'device-icon' }, icon(phone ? 'phone' : 'desktop'));
}

export const addressOf = (client) => client?.address ?? words.start.none;

const named = (names, agent) => names.find(([pattern]) => pattern.test(agent))?.[1];
