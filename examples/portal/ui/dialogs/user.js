// One account, for administrators: what is known of it and what can be done to it.
//
//   account ──unlock, enable, demand another password──▶ account
//     ├──change the role──▶ which? ──▶ account
//     ├──disable, end sessions, reset codes──▶ sure? ──▶ account
//     └──delete──▶ its address, typed ──▶ gone
import { call } from '../api.js';
import { moment } from '../clock.js';
import { el } from '../element.js';
import { words } from '../language.js';
import { go } from '../page.js';
import { demoted } from '../parts/administration.js';
import { facts } from '../parts/facts.js';
import { field } from '../parts/field.js';
import { actionButton, form } from '../parts/form.js';
import { roleField, roleName } from '../parts/role-field.js';
import { displayName } from '../parts/user-menu.js';
import { statesOf } from '../parts/user-states.js';
import { openViews } from '../parts/views.js';
import * as session from '../session.js';
import { withProof } from './prove.js';

/** Tells `added`, `changed` with the account, and `removed` with its id. */
export const changes = new EventTarget();
export const tell = (name, detail) => changes.dispatchEvent(new CustomEvent(name, { detail }));

export function openUser(id) {
  const { users } = words;
  const path = `/admin/users/${encodeURIComponent(id)}`;
  const { show, showFailure, say, button, close, closeButton } = openViews({ title: users.account, size: 'large' });
  const itself = () => id === session.now().user.id;

  /** `said` is what was done just now. */
  async function account(said) {
    let user;
    try {
      user = await call('GET', path);
    } catch (error) {
      if (error.code === 'not_found') return gone();
      if (await demoted(error)) return;
      return showFailure(error, users.account, users.failed, button(words.again, () => account()), closeButton());
    }
    tell('changed', user);
    show(displayName(user), itself() ? users.yourself : users.accountIntro, about(user), acts(user), closeButton());
    if (said) say({ kind: 'success', text: said });
  }

  function about(user) {
    const password = user.has_password ? (user.must_change_password ? users.passwordDue : users.passwordSet)
      : user.first_password_link_until ? users.linkUntil(moment(user.first_password_link_until)) : users.passwordNone;
    return el('div', { class: 'about' },
      el('p', { class: 'badges' }, ...statesOf(user)),
      facts([
        [words.start.email, user.email],
        [words.start.username, user.username],
        [words.start.fullName, user.full_name],
        [users.role, roleName(user.role)],
        user.restricted && [users.logins, user.restricted_until ? users.restrictedUntil(moment(user.restricted_until)) : users.restrictedForGood],
        [words.field.password, password],
        [words.totp.title, user.totp_enabled ? users.on : users.off],
        ...Object.entries(user.fields),
        [users.since, moment(user.created_at)],
        [users.id, el('code', null, user.id)],
      ]));
  }

  function acts(user) {
    const patch = (body) => call('PATCH', path, body);
    const at = (text, act, kind = 'secondary') => actionButton({ text, busy: words.working, kind: `${kind} small`, act, failed: fail });
    return el('div', { class: 'acts' },
      user.restricted && at(users.unlock, () => done(() => call('POST', `${path}/unlock`), users.unlocked), 'primary'),
      at(users.changeRole, () => role(user)),
      user.has_password ? at(...demand(user, patch)) : at(users.sendLink, () => done(() => patch({ must_change_password: true }), users.linkSent)),
      at(users.trail, () => go('audit', { user: { id, name: user.email } })),
      at(users.endSessions, () => sure(users.endSessions, users.endSessionsIntro(user.email), () => done(() => call('POST', `${path}/end-sessions`), users.sessionsEnded))),
      user.totp_enabled && at(users.resetTotp, () => sure(users.resetTotp, users.resetTotpIntro(user.email), () => done(() => call('POST', `${path}/reset-totp`), users.totpReset))),
      user.status === 'active'
        ? at(users.disable, () => sure(users.disable, users.disableIntro(user.email), () => done(() => patch({ status: 'disabled' }), users.disabled)), 'danger-quiet')
        : at(users.enable, () => done(() => patch({ status: 'active' }), users.enabled)),
      at(users.remove, () => remove(user), 'danger-quiet'));
  }

  const demand = ({ must_change_password: due }, patch) => (due
    ? [users.withdraw, () => done(() => patch({ must_change_password: false }), users.withdrawn)]
    : [users.demand, () => done(() => patch({ must_change_password: true }), users.demanded)]);

  function role(user) {
    const chosen = roleField(user.role);
    const asked = form({
      fields: [chosen],
      submit: users.changeRole,
      busy: words.working,
      send: (values) => done(() => call('PATCH', path, { role: values.role }), users.roleChanged(roleName(values.role))),
      async refused(refusal) {
        if (refusal.endsSession || await demoted(refusal)) return true;
        if (refusal.code !== 'forbidden' || !itself()) return false;
        asked.say({ kind: 'danger', text: users.ownRole });
        return true;
      },
    });
    show(users.changeRole, users.changeRoleIntro(user.email), asked.element, button(words.cancel, () => account()));
  }

  function sure(title, intro, act) {
    show(title, intro, actionButton({ text: title, busy: words.working, kind: 'danger-quiet wide', act, failed: fail }), button(words.cancel, () => account()));
  }

  function remove(user) {
    const typed = field({ name: 'sure', label: words.profile.typeEmail(user.email), autocomplete: 'off', check: (value) => (value === user.email ? null : users.notTheEmail) });
    const asked = form({
      fields: [typed],
      submit: users.removeForever,
      busy: words.working,
      async send() {
        if (!(await withProof(() => call('DELETE', path)))) return;
        if (itself()) return session.deleted();
        gone();
      },
      refused: async (refusal) => refusal.endsSession || demoted(refusal),
    });
    asked.element.querySelector('[type="submit"]').classList.replace('primary', 'danger');
    show(users.remove, users.removeIntro, asked.element, button(words.cancel, () => account()));
  }

  /** Does it, after a proof where one is asked for, and shows what the account is now. */
  async function done(act, said) {
    if (await withProof(act)) await account(said);
  }

  function gone() {
    tell('removed', id);
    show(users.removed, users.removedIntro, button(words.close, close, 'primary'));
  }

  async function fail(refusal) {
    if (refusal.endsSession || await demoted(refusal)) return;
    if (refusal.code === 'not_found') return gone();
    say({ kind: 'danger', refusal });
  }

  account();
}
