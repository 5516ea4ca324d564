// Time as the server counts it, in the reader's words.
import { language, words } from './language.js';

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
let ahead = 0;

/** A `Date` header has whole seconds, so only a difference beyond them means that the two clocks disagree. */
export function learnServerTime(header) {
  const difference = Date.parse(header) - Date.now();
  if (Number.isFinite(difference)) ahead = Math.abs(difference) > 2_000 ? difference : 0;
}

/** Milliseconds since 1970 on the server's clock. */
export const now = () => Date.now() + ahead;

/** "today at 10:32" or "30 Jul 2026, 10:32". */
export function moment(iso) {
  const time = new Date(iso);
  if (time.toDateString() !== new Date().toDateString()) return format(time, { dateStyle: 'medium', timeStyle: 'short' });
  return words.time.today(format(time, { timeStyle: 'short' }));
}

/** "30 July 2026 at 10:32:07 GMT+9". */
export const precise = (iso) => format(new Date(iso), { dateStyle: 'long', timeStyle: 'long' });

export const day = (iso) => format(new Date(iso), { dateStyle: 'long' });

/** "5 minutes ago". */
export function ago(iso) {
  const seconds = Math.max(0, (now() - Date.parse(iso)) / 1000);
  if (seconds < MINUTE) return words.time.justNow;
  const relative = new Intl.RelativeTimeFormat(language(), { numeric: 'auto' });
  if (seconds < HOUR) return relative.format(-Math.floor(seconds / MINUTE), 'minute');
  if (seconds < DAY) return relative.format(-Math.floor(seconds / HOUR), 'hour');
  return relative.format(-Math.floor(seconds / DAY), 'day');
}

/** "1 h 20 min", "19 min 59 s". */
export function spell(seconds) {
  const [hours, minutes, rest] = split(seconds);
  const { hour, minute, second } = words.time;
  if (hours) return minutes ? `${hours}${hour} ${minutes}${minute}` : `${hours}${hour}`;
  if (minutes) return rest ? `${minutes}${minute} ${rest}${second}` : `${minutes}${minute}`;
  return `${rest}${second}`;
}

/** "7:59:12", "1:59". */
export function digits(seconds) {
  const [hours, minutes, rest] = split(seconds);
  const two = (number) => String(number).padStart(2, '0');
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

function split(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  return [Math.floor(whole / HOUR), Math.floor((whole % HOUR) / MINUTE), whole % MINUTE];
}

const format = (time, style) => new Intl.DateTimeFormat(language(), style).format(time);
