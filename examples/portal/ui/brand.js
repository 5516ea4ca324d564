// How the policy dresses the console: name, logo, and an accent whose text keeps a contrast of 4.5 : 1 (WCAG 1.4.3) whatever the colour.
import { el } from './element.js';
import { mark } from './icon.js';
import { options } from './options.js';

const WHITE = [255, 255, 255];
const INK = [20, 24, 29];
const READABLE = 4.5;
/** The darkest and the lightest ground on which accent text stands, by colour scheme (style.css). */
const GROUND = { light: [236, 239, 245], dark: [38, 45, 56] };

export function wearBrand({ accent }) {
  const colour = parse(accent);
  if (!colour) return;
  const wear = (name, value) => document.documentElement.style.setProperty(name, `rgb(${value.join(' ')})`);
  const { fill, on } = filled(colour);
  wear('--accent', colour);
  wear('--accent-fill', fill);
  wear('--accent-on', on);
  wear('--accent-text-light', readable(colour, GROUND.light, [0, 0, 0]));
  wear('--accent-text-dark', readable(colour, GROUND.dark, WHITE));
}

/** The host's logo beside the console's name. */
export function brand() {
  const { name, logo } = options?.console ?? { name: 'doorwarden' };
  const picture = logo ? el('img', { src: logo, alt: '', class: 'logo' }) : mark();
  return el('div', { class: 'brand' }, picture, el('span', { class: 'brand-name' }, name));
}

/** White text where the accent is dark enough or nearly so (it is darkened then), dark text elsewhere. */
function filled(colour) {
  if (contrast(colour, WHITE) < 3) return { fill: colour, on: INK };
  return { fill: readable(colour, WHITE, [0, 0, 0]), on: WHITE };
}

function readable(colour, ground, towards) {
  for (let share = 0; share < 1; share += 0.02) {
    const mixed = colour.map((part, index) => Math.round(part + (towards[index] - part) * share));
    if (contrast(mixed, ground) >= READABLE) return mixed;
  }
  return towards;
}

/** Lets the browser read the colour, so that names and functions work too. */
function parse(accent) {
  const probe = el('span', { hidden: true });
  probe.style.color = accent ?? '';
  if (!probe.style.color) return null;
  document.body.append(probe);
  const parts = getComputedStyle(probe).color.match(/^rgba?\((\d+), (\d+), (\d+)/);
  probe.remove();
  return parts && parts.slice(1, 4).map(Number);
}

/** WCAG 2.2, relative luminance and contrast ratio. */
function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

function luminance(colour) {
  const [red, green, blue] = colour.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
