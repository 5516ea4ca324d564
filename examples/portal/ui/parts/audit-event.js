// One event of the audit trail: in a line what happened to whom, and opened all that is known of it.
import { moment, precise } from '../clock.js';
import { el } from '../element.js';
import { icon } from '../icon.js';
import { words } from '../language.js';
import { deviceName } from './client.js';
import { facts } from './facts.js';
import { person } from './people.js';

export function auditEvent(event) {
  const { audit } = words;
  const refused = event.outcome === 'refusal';
  const details = el('details', { class: 'more event-more' },
    el('summary', null,
      el('span', { class: `event-sign ${refused ? 'refused' : ''}` }, icon(refused ? 'close' : 'check')),
      el('span', { class: 'event-what' },
        el('b', null, audit.names[event.name] ?? event.name),
        refused && el('span', { class: 'badge danger' }, audit.outcomes.refusal),
        el('span', { class: 'event-who' }, event.user ?? event.actor ? person(event.user ?? event.actor) : event.subject)),
      el('time', { datetime: event.time }, moment(event.time))));
  // What is behind it is drawn when somebody looks.
  details.addEventListener('toggle', () => details.open && details.children.length === 1 && details.append(behind(event)));
  return el('li', { class: 'event' }, details);
}

function behind(event) {
  const { audit } = words;
  const account = (id) => id && el('span', null, person(id), ' ', el('code', { class: 'hint' }, id));
  return facts([
    [audit.time, precise(event.time)],
    [audit.event, el('code', null, event.name)],
    [audit.outcome, audit.outcomes[event.outcome] ?? event.outcome],
    [audit.account, account(event.user)],
    [audit.actor, account(event.actor)],
    [audit.subject, event.subject],
    [audit.rule, event.rule && el('code', null, event.rule)],
    [audit.address, event.client?.address],
    [audit.browser, event.client?.user_agent && el('span', { title: event.client.user_agent }, deviceName(event.client))],
    ...Object.entries(event.facts).map(([name, value]) => [audit.facts[name] ?? name.replaceAll('_', ' '), plain(value)]),
    [audit.id, el('code', null, event.id)],
  ]);
}

/** A moment is told as one; what has parts is shown as it is. */
function plain(value) {
  if (typeof value === 'boolean') return value ? words.yes : words.no;
  if (typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value)) return precise(value);
  return typeof value === 'string' || typeof value === 'number' ? String(value) : el('code', null, JSON.stringify(value));
}
