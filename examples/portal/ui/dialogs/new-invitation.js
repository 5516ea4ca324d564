// Makes an invitation: for whom, how often, how long. Its token and link are shown once.
import { call } from '../api.js';
import { now } from '../clock.js';
import { el } from '../element.js';
import { words } from '../language.js';
import { demoted } from '../parts/administration.js';
import { copyButton } from '../parts/copy.js';
import { choiceField, emailField, field } from '../parts/field.js';
import { form } from '../parts/form.js';
import { roleField } from '../parts/role-field.js';
import { openViews } from '../parts/views.js';
import { withProof } from './prove.js';

const DAY = 86_400_000;
const USUAL_DAYS = 7;
const MOST_USES = 100_000;
const LONGEST_NOTE = 200;

/** `made()` is called once it is made. */
export function openNewInvitation({ made }) {
  const { invitations } = words;
  const { show, showOnce, button, close } = openViews({ title: invitations.create, size: 'large' });
  const email = emailField({ autocomplete: 'off' });
  const domain = field({ name: 'domain', label: invitations.domain, autocomplete: 'off', inputmode: 'url', hint: invitations.domainHint, check: (text) => (/^[^\s@/]+\.[^\s@/]+$/.test(text) ? null : invitations.domainHint) });
  const bound = { email, domain };
  const target = choiceField({
    name: 'target', label: invitations.whom,
    choices: [['anyone', invitations.anyone], ['email', invitations.oneAddress], ['domain', invitations.oneDomain]],
    changed() {
      for (const [name, each] of Object.entries(bound)) each.element.hidden = target.value !== name;
      bound[target.value]?.focus();
    },
  });
  email.element.hidden = true;
  domain.element.hidden = true;
  const uses = field({
    name: 'max_uses', label: invitations.maxUses, type: 'number', inputmode: 'numeric', min: 1, max: MOST_USES, step: 1, value: '1', autocomplete: 'off',
    check: (text) => (/^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= MOST_USES ? null : invitations.maxUsesHint(MOST_USES)),
  });
  const until = field({
    name: 'expires_at', label: invitations.worksUntil, type: 'datetime-local', value: local(now() + USUAL_DAYS * DAY), min: local(now()), autocomplete: 'off',
    check: (text) => (Date.parse(text) > now() ? null : invitations.inThePast),
  });
  const note = field({ name: 'note', label: invitations.note, required: false, autocomplete: 'off', autocapitalize: 'sentences', maxCharacters: LONGEST_NOTE, hint: invitations.noteHint });
  const role = roleField();
  // A field that isn't shown isn't asked.
  const onlyShown = (each) => ({
    name: each.name, say: each.say, focus: each.focus,
    get value() {
      return each.element.hidden ? '' : each.value;
    },
    problem: () => (each.element.hidden ? null : each.problem()),
  });
  const asked = form({
    fields: [target, onlyShown(email), onlyShown(domain), uses, until, role, note],
    content: [target.element, email.element, domain.element, el('div', { class: 'pair' }, uses.element, until.element), role.element, note.element],
    submit: invitations.create,
    busy: words.working,
    async send(values) {
      const wish = {
        max_uses: Number(values.max_uses),
        expires_at: new Date(values.expires_at).toISOString(),
        ...filled({ email: values.email, domain: values.domain, note: values.note, role: values.role === 'user' ? '' : values.role }),
      };
      let issued;
      if (!(await withProof(async () => { issued = await call('POST', '/admin/invitations', wish); }))) return;
      secret(issued);
      made();
    },
    refused: async (refusal) => refusal.endsSession || demoted(refusal),
  });
  show(invitations.create, invitations.createIntro, asked.element, button(words.cancel, close));

  function secret({ token, link }) {
    const shown = (name, value, copy) => el('div', { class: 'keypair-half' }, el('p', { class: 'hint' }, name), el('code', { class: 'secret' }, value), copyButton(value, copy));
    showOnce(invitations.madeTitle, invitations.madeIntro,
      shown(invitations.link, link, invitations.copyLink),
      shown(words.field.invitation, token, invitations.copyToken),
      button(invitations.kept, close, 'primary'));
  }
}

const filled = (values) => Object.fromEntries(Object.entries(values).filter(([, value]) => value));

/** As an input of date and time takes it: the reader's own time, without a zone. */
function local(time) {
  const at = new Date(time);
  const two = (number) => String(number).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
}
