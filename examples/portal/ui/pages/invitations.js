// Who may sign up, for administrators: invitations listed newest first, made, and revoked.
import { call, callAll } from '../api.js';
import { moment } from '../clock.js';
import { openNewInvitation } from '../dialogs/new-invitation.js';
import { withProof } from '../dialogs/prove.js';
import { el } from '../element.js';
import { words } from '../language.js';
import { options } from '../options.js';
import { administrationPage, demoted } from '../parts/administration.js';
import { actionButton } from '../parts/form.js';
import { notice } from '../parts/notice.js';
import { pagedTable } from '../parts/paged-table.js';
import { person } from '../parts/people.js';
import { roleName } from '../parts/role-field.js';
import { openViews } from '../parts/views.js';

const PAGE = 25;
const BADGES = { open: '', used_up: 'quiet', expired: 'quiet', revoked: 'danger' };

/** `state.which` is what of them is shown, `open` or `all`. */
export function open(state, signal) {
  const { invitations } = words;
  state.which ??= 'open';
  let table;
  administrationPage({
    name: 'invitations', title: invitations.title, intro: invitations.intro,
    act: { text: invitations.create, open: () => openNewInvitation({ made: () => table.reload() }) },
    content() {
      table = invitationTable(state);
      table.reload();
      return [
        options.sign_up.invitation === 'off' && notice({ kind: 'info', text: invitations.off }),
        el('section', { class: 'panel list', 'aria-label': invitations.title }, choice(state, () => table.reload()), table.element),
      ].filter(Boolean);
    },
  }, state, signal);
}

/** The API has them oldest first: all are read, which are few, and shown the other way round. */
function invitationTable(state) {
  const { invitations } = words;
  let all = [];
  const table = pagedTable({
    label: invitations.title,
    columns: [invitations.whom, invitations.state, invitations.uses, invitations.until, ''],
    key: (each) => each.id,
    row: (each) => [
      whom(each),
      el('span', { class: `badge ${BADGES[each.status] ?? 'quiet'}` }, invitations.states[each.status] ?? each.status),
      el('span', null, invitations.used(each.uses, each.max_uses), each.held > 0 && el('span', { class: 'hint' }, ` ${invitations.held(each.held)}`)),
      moment(each.expires_at),
      each.status === 'open' && el('button', { type: 'button', class: 'button danger-quiet small', 'aria-label': invitations.revokeOf(nameOf(each)), onclick: () => revoke(each, table.reload) }, invitations.revoke),
    ],
    empty: () => (state.which === 'open' ? invitations.noneOpen : invitations.none),
    refused: demoted,
    async load(cursor) {
      if (!cursor) {
        const { found } = await callAll('/admin/invitations', 'invitations');
        all = found.reverse().filter((each) => state.which === 'all' || each.status === 'open');
      }
      const from = cursor ?? 0;
      return { items: all.slice(from, from + PAGE), next: from + PAGE < all.length ? from + PAGE : null };
    },
  });
  return table;
}

const nameOf = (each) => each.email ?? (each.domain ? words.invitations.ofDomain(each.domain) : each.note ?? words.invitations.anyone);

function whom(each) {
  const { invitations } = words;
  const more = [
    each.note && nameOf(each) !== each.note && each.note,
    each.role && invitations.asRole(roleName(each.role)),
    ...invitations.made(moment(each.created_at), each.created_by ? person(each.created_by) : invitations.machine),
  ];
  const [note, role, ...made] = more;
  return el('div', { class: 'who' },
    el('b', null, nameOf(each)),
    note && el('p', { class: 'note' }, note),
    el('p', { class: 'hint' }, role && `${role} · `, ...made));
}

function choice(state, changed) {
  const { invitations } = words;
  const each = (which, text) => {
    const id = `which-${which}`;
    const input = el('input', { type: 'radio', name: 'which', id, value: which, checked: state.which === which });
    input.addEventListener('change', () => {
      state.which = which;
      changed();
    });
    return [input, el('label', { for: id }, text)];
  };
  return el('fieldset', { class: 'which' }, el('legend', { class: 'unseen' }, invitations.which), el('div', { class: 'modes' }, ...each('open', invitations.states.open), ...each('all', invitations.all)));
}

function revoke(each, changed) {
  const { invitations } = words;
  const { show, say, button, close } = openViews({ title: invitations.revokeTitle });
  const act = actionButton({
    text: invitations.revoke, busy: words.working, kind: 'danger-quiet wide',
    async act() {
      if (!(await withProof(() => call('DELETE', `/admin/invitations/${encodeURIComponent(each.id)}`)))) return;
      close();
      await changed();
    },
    async failed(refusal) {
      if (refusal.endsSession || await demoted(refusal)) return;
      say({ kind: 'danger', refusal });
    },
  });
  show(invitations.revokeTitle, invitations.revokeIntro(nameOf(each)), act, button(words.cancel, close));
}
