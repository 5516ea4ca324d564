// What administrators do on their pages, and what comes of it for those whom it is done to.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { oneTimePassword } from './one-time-password.mjs';
import { administrator, becomeMember, focused, inDialog, labelled, logIn, newcomer, PASSWORD, person, PHONE, picture, startPortal } from './person.mjs';

const POLICY = '[password]\nbcrypt_cost = 4\n[session]\non_conflict = "allow"\n';
const PLACES = ['Users', 'Invitations', 'Audit'];

test('the pages are there for administrators alone, and a typed address is refused in plain words', async (t) => {
  const portal = await startPortal(t, POLICY);
  const root = await administrator(t, portal);
  const ada = await newcomer(t, portal);
  const asked = [];
  ada.page.on('request', (request) => request.url().includes('/auth/admin') && asked.push(request.url()));
  const menu = (page) => page.getByRole('navigation', { name: 'Main menu' });
  assert.deepEqual(await menu(ada.page).getByRole('link').allTextContents(), ['Start']);
  for (const place of PLACES) {
    await ada.page.goto(`${portal.url}/${place.toLowerCase()}`);
    await ada.page.getByRole('heading', { name: place, level: 1 }).waitFor();
    await ada.page.getByRole('alert').filter({ hasText: 'This page is for administrators.' }).waitFor();
    assert.equal(await ada.page.getByRole('table').count(), 0);
  }
  await picture(ada.page, 'administrators-only');
  await ada.page.getByRole('button', { name: 'Go to the start page' }).click();
  await ada.page.getByRole('heading', { name: /^Hello/ }).waitFor();
  assert.deepEqual(asked, [], 'nothing is asked of the server that it would refuse');

  for (const place of PLACES) {
    await menu(root.page).getByRole('link', { name: place }).click();
    await root.page.getByRole('heading', { name: place, level: 1 }).waitFor();
    assert.equal(new URL(root.page.url()).pathname, `/${place.toLowerCase()}`);
    assert.equal(await menu(root.page).locator('[aria-current="page"]').textContent(), place);
    await labelled(root.page);
  }
  await root.page.goBack();
  await root.page.getByRole('heading', { name: 'Invitations', level: 1 }).waitFor();
  await root.page.goForward();
  await root.page.getByRole('heading', { name: 'Audit', level: 1 }).waitFor();

  const stranger = await person(t, portal);
  await stranger.page.goto(`${portal.url}/users`);
  await inDialog(stranger.page, 'Log in');
  await logIn(stranger.page, root.email);
  await stranger.page.getByRole('heading', { name: 'Users', level: 1 }).waitFor();
});

test('an account is added by a mailed link, found by a search, and used', async (t) => {
  const portal = await startPortal(t, POLICY);
  const { page, email } = await administrator(t, portal);
  await page.goto(`${portal.url}/users`);
  await row(page, email).waitFor();
  await page.getByRole('button', { name: 'Add user' }).click();
  await inDialog(page, 'Add user');
  assert.equal(await focused(page), 'email');
  const submit = page.getByRole('dialog').getByRole('button', { name: 'Add user' });
  await page.keyboard.type('not an address');
  await submit.click();
  await page.getByText('Enter an address like name@example.org').waitFor();
  await page.getByLabel('E-mail', { exact: true }).fill(email);
  await submit.click();
  await page.getByText('An account with this address exists.').waitFor();
  assert.equal(await focused(page), 'email');
  await page.getByLabel('E-mail', { exact: true }).fill('grace@example.org');
  await page.getByRole('dialog').getByLabel('Username').fill('grace');
  await page.getByLabel('Full name').fill('Grace Hopper');
  await page.getByRole('dialog').getByLabel('Role', { exact: true }).selectOption('Another…');
  await page.getByLabel('Name of the role').fill('Head Editor');
  await submit.click();
  await page.getByText('Small letters a to z').last().waitFor();
  await page.getByLabel('Name of the role').fill('editor');
  await submit.click();
  await inDialog(page, 'Account made');
  await page.getByText('grace@example.org is on the list').waitFor();
  await page.getByRole('button', { name: 'Open the account' }).click();
  await inDialog(page, 'Grace Hopper');
  await fact(page, 'Role', 'editor').waitFor();
  await fact(page, 'Password', 'None; the mailed link to set it works until').waitFor();
  await picture(page, 'user');

  const grace = await person(t, portal);
  const first = await portal.mailedLink('set-password');
  await page.getByRole('button', { name: 'Send link again' }).click();
  await page.getByRole('status').filter({ hasText: 'A new link to set the password' }).waitFor();
  const second = await portal.mailedLink('set-password');
  assert.notEqual(second, first);
  await grace.page.goto(second);
  await grace.page.getByLabel('New password', { exact: true }).fill(PASSWORD);
  await grace.page.getByRole('button', { name: 'Set the password' }).click();
  await inDialog(grace.page, 'Log in');
  await logIn(grace.page, 'grace');
  await grace.page.getByRole('heading', { name: 'Hello, Grace Hopper' }).waitFor();

  await page.getByRole('button', { name: 'Close' }).click();
  const search = page.getByRole('searchbox', { name: 'Search for' });
  await search.fill('HOPPER');
  await row(page, email).waitFor({ state: 'detached' });
  await row(page, 'Grace Hopper').waitFor();
  await search.fill('nobody here');
  await page.getByRole('main').getByText('Nobody matches “nobody here”.').waitFor();
  await search.fill('');
  await row(page, email).waitFor();
});

test('many accounts are shown page by page, and a list that couldn’t be loaded can be asked for again', async (t) => {
  const portal = await startPortal(t, POLICY);
  const { page } = await administrator(t, portal);
  for (let number = 1; number <= 27; number += 1) await api(page, 'POST', '/admin/users', { email: `user${number}@example.org` });
  let held = null;
  await page.route('**/auth/admin/users?*', (route) => { held = route; });
  await page.goto(`${portal.url}/users`);
  await page.locator('tr.bones').first().waitFor();
  await page.locator('[aria-busy="true"] table').waitFor();
  await held.abort();
  await page.getByRole('alert').filter({ hasText: 'The server couldn’t be reached' }).waitFor();
  await page.unroute('**/auth/admin/users?*');
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByText('25 shown.').first().waitFor();
  assert.equal(await page.getByRole('rowheader').count(), 25);
  await page.getByRole('button', { name: 'Show more' }).click();
  await page.getByText('28 shown.').first().waitFor();
  assert.equal(await focused(page), 'user25@example.org', 'the focus goes on with the list');
  assert.equal(await page.getByRole('button', { name: 'Show more' }).count(), 0);
});

test('disabling, enabling, ending sessions, roles and demands reach the person at once', async (t) => {
  const portal = await startPortal(t, POLICY);
  const root = await administrator(t, portal);
  const ada = await newcomer(t, portal);
  await openAccount(root.page, portal, ada.email);
  const done = (text) => root.page.getByRole('status').filter({ hasText: text }).waitFor();
  const act = (name) => root.page.getByRole('dialog').getByRole('button', { name, exact: true }).click();
  const thrownOut = async () => {
    await ada.page.getByRole('button', { name: 'Extend' }).first().click();
    await inDialog(ada.page, 'Log in');
    await ada.page.getByText('Your session was ended').waitFor();
  };

  await act('End sessions');
  await inDialog(root.page, 'End sessions');
  await act('Cancel');
  await inDialog(root.page, ada.email);
  await act('End sessions');
  await act('End sessions');
  await done('All sessions were ended');
  await thrownOut();
  await logIn(ada.page, ada.email);
  await ada.page.getByRole('heading', { name: /^Hello/ }).waitFor();

  await act('Disable');
  await root.page.getByText('can’t log in any more').waitFor();
  await act('Disable');
  await done('The account is disabled');
  await row(root.page, ada.email).filter({ hasText: 'Disabled' }).waitFor();
  await thrownOut();
  await logIn(ada.page, ada.email);
  await ada.page.getByText('This account is disabled').waitFor();
  await act('Enable');
  await done('The account is enabled');
  await logIn(ada.page, ada.email);
  await ada.page.getByRole('heading', { name: /^Hello/ }).waitFor();

  await act('Change role');
  await root.page.getByRole('dialog').getByLabel('Role', { exact: true }).selectOption('Administrator');
  await act('Change role');
  await done('The role is now Administrator');
  await ada.page.reload();
  await ada.page.getByRole('link', { name: 'Users' }).waitFor();

  await act('Demand new password');
  await done('The next login asks for another password');
  await fact(root.page, 'Password', 'To be changed at the next login').waitFor();
  await ada.page.getByRole('button', { name: /^User menu/ }).click();
  await ada.page.getByRole('button', { name: 'Log Out' }).click();
  await logIn(ada.page, ada.email);
  await inDialog(ada.page, 'Choose a new password');
  await act('Withdraw demand');
  await done('doesn’t ask for another password');
  await ada.page.goto(portal.url);
  await logIn(ada.page, ada.email);
  await ada.page.getByRole('heading', { name: /^Hello/ }).waitFor();
});

test('a paused login is unlocked, lost codes are reset, and an account is deleted for good', async (t) => {
  const portal = await startPortal(t, POLICY);
  const root = await administrator(t, portal);
  const ada = await newcomer(t, portal);
  const { secret, ticket } = await api(ada.page, 'POST', '/totp/setup', { password: PASSWORD });
  await api(ada.page, 'POST', '/totp/confirm', { ticket, code: oneTimePassword(secret) });
  for (let failure = 1; failure <= 12; failure += 1) await api(root.page, 'POST', '/login', { identifier: ada.email, password: 'wrong password 1!' });
  await openAccount(root.page, portal, ada.email);
  const act = (name) => root.page.getByRole('dialog').getByRole('button', { name, exact: true }).click();
  const done = (text) => root.page.getByRole('status').filter({ hasText: text }).waitFor();
  await fact(root.page, 'Logins', 'Paused until').waitFor();
  await picture(root.page, 'user-paused');

  const other = await person(t, portal);
  await other.page.goto(portal.url);
  await logIn(other.page, ada.email);
  await other.page.getByText('Too many failed attempts').first().waitFor();
  await act('Unlock');
  await done('Logins are possible again');
  assert.equal(await root.page.getByRole('button', { name: 'Unlock' }).count(), 0);
  await logIn(other.page, ada.email);
  await inDialog(other.page, 'Enter your code');

  await act('Reset 2FA');
  await root.page.getByText('Make sure that it is really').waitFor();
  await act('Reset 2FA');
  await done('Two-factor authentication is off for this account');
  await ada.page.getByRole('button', { name: 'Extend' }).first().click();
  await ada.page.getByText('Your session was ended').waitFor();
  await logIn(ada.page, ada.email);
  await ada.page.getByRole('heading', { name: /^Hello/ }).waitFor();

  await act('Delete account');
  await inDialog(root.page, 'Delete account');
  await root.page.getByLabel(`Type ${ada.email} to confirm`).fill('ada@example.com');
  await act('Delete for good');
  await root.page.getByText('This isn’t the address of the account').waitFor();
  await picture(root.page, 'user-delete');
  await root.page.getByLabel(`Type ${ada.email} to confirm`).fill(ada.email);
  await act('Delete for good');
  await inDialog(root.page, 'Account deleted');
  await act('Close');
  await row(root.page, ada.email).waitFor({ state: 'detached' });
  await ada.page.getByRole('button', { name: 'Extend' }).first().click();
  await inDialog(ada.page, 'Log in');
  await logIn(ada.page, ada.email);
  await ada.page.getByText('These login details aren’t right').waitFor();
});

test('acts that weigh most ask for the password when the login was a while ago', async (t) => {
  const portal = await startPortal(t, `${POLICY}fresh_proof = "1s"\n`);
  const { page } = await administrator(t, portal);
  await api(page, 'POST', '/admin/users', { email: 'ada@example.org' });
  await openAccount(page, portal, 'ada@example.org');
  const prompt = page.getByRole('dialog', { name: 'Confirm that it’s you' });
  const change = page.getByRole('dialog').getByRole('button', { name: 'Change role' });
  await change.click();
  await page.getByRole('dialog').getByLabel('Role', { exact: true }).selectOption('Administrator');
  await page.waitForTimeout(1_500);
  await change.click();
  await inDialog(page, 'Confirm that it’s you');
  await prompt.getByRole('button', { name: 'Cancel' }).click();
  await inDialog(page, 'Change role');
  assert.equal((await api(page, 'GET', '/admin/users?query=ada')).users[0].role, 'user');
  await change.click();
  await inDialog(page, 'Confirm that it’s you');
  await page.keyboard.type('not my password 1!');
  await page.keyboard.press('Enter');
  await prompt.getByText('These login details aren’t right').waitFor();
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press('Enter');
  await page.getByRole('status').filter({ hasText: 'The role is now Administrator' }).waitFor();

  await page.waitForTimeout(1_500);
  await page.getByRole('button', { name: 'Delete account' }).click();
  await page.keyboard.type('ada@example.org');
  await page.keyboard.press('Enter');
  await inDialog(page, 'Confirm that it’s you');
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press('Enter');
  await inDialog(page, 'Account deleted');

  await page.goto(`${portal.url}/invitations`);
  await page.getByRole('button', { name: 'Create invitation' }).click();
  await page.getByRole('dialog').getByLabel('Role', { exact: true }).selectOption('Administrator');
  await page.waitForTimeout(1_500);
  await page.getByRole('dialog').getByRole('button', { name: 'Create invitation' }).click();
  await inDialog(page, 'Confirm that it’s you');
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press('Enter');
  await inDialog(page, 'Pass the invitation on now');
});

test('the last administrator stays, nobody changes the own role, and both are said in plain words', async (t) => {
  const portal = await startPortal(t, POLICY);
  const { page, email } = await administrator(t, portal);
  await openAccount(page, portal, email);
  await page.getByText('This is your own account').waitFor();
  const act = (name) => page.getByRole('dialog').getByRole('button', { name, exact: true }).click();
  const refused = (text) => page.getByRole('dialog').getByRole('alert').filter({ hasText: text }).waitFor();
  await act('Change role');
  await page.getByRole('dialog').getByLabel('Role', { exact: true }).selectOption('User');
  await act('Change role');
  await refused('Nobody changes their own role. Ask another administrator.');
  await picture(page, 'own-role');
  await act('Cancel');
  await act('Disable');
  await act('Disable');
  await refused('This is the last administrator. Make another account an administrator first.');
  await act('Cancel');
  await act('Delete account');
  await page.getByLabel(`Type ${email} to confirm`).fill(email);
  await act('Delete for good');
  await refused('This is the last administrator.');
  await act('Cancel');
  await inDialog(page, email);
  await act('Close');

  await openProfile(page);
  await act('Delete account');
  await page.getByLabel(`Type ${email} to confirm`).fill(email);
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await act('Delete for good');
  await refused('You are the last administrator, so your account can’t be deleted.');

  await openAccount(page, portal, email);
  await becomeMember((await person(t, portal)).page, portal, 'ada@example.org');
  const { users: [ada] } = await api(page, 'GET', '/admin/users?query=ada');
  await api(page, 'PATCH', `/admin/users/${ada.id}`, { role: 'admin' });
  await act('Delete account');
  await page.getByLabel(`Type ${email} to confirm`).fill(email);
  await act('Delete for good');
  await inDialog(page, 'Log in');
  await page.getByText('Your account is deleted').waitFor();
  assert.equal(new URL(page.url()).pathname, '/');
});

test('an administrator who is none any more is told so at the next act, on every page', async (t) => {
  const portal = await startPortal(t, POLICY);
  const root = await administrator(t, portal);
  const ada = await newcomer(t, portal);
  const { users: [user] } = await api(root.page, 'GET', '/admin/users?query=ada');
  const acts = {
    users: () => ada.page.getByRole('table').getByRole('button', { name: root.email }).click(),
    invitations: async () => {
      await ada.page.getByRole('button', { name: 'Create invitation' }).click();
      await ada.page.getByRole('dialog').getByRole('button', { name: 'Create invitation' }).click();
    },
    audit: () => ada.page.getByLabel('Outcome').selectOption('Refused'),
  };
  for (const [place, act] of Object.entries(acts)) {
    await api(root.page, 'PATCH', `/admin/users/${user.id}`, { role: 'admin' });
    await ada.page.goto(`${portal.url}/${place}`);
    await ada.page.locator(place === 'audit' ? '.event summary' : '.paged:not([aria-busy])').first().waitFor();
    await api(root.page, 'PATCH', `/admin/users/${user.id}`, { role: 'user' });
    await act();
    await ada.page.getByRole('alert').filter({ hasText: 'You aren’t an administrator any more' }).waitFor();
    assert.equal(await ada.page.getByRole('dialog').count(), 0);
    assert.equal(await ada.page.getByRole('link', { name: 'Users' }).count(), 0);
  }
  await picture(ada.page, 'demoted');
  assert.equal((await api(root.page, 'GET', '/admin/invitations')).invitations.length, 0);
});

test('where no mails are sent, a new account’s owner gets no link, an address stays, and both are said', async (t) => {
  const portal = await startPortal(t, '[password]\nbcrypt_cost = 4\n[mail]\ntransport = "none"\n');
  const { page } = await administrator(t, portal);
  await page.goto(`${portal.url}/users`);
  await page.getByRole('button', { name: 'Add user' }).click();
  await page.keyboard.type('ada@example.org');
  await page.keyboard.press('Enter');
  await inDialog(page, 'Account made');
  await page.getByRole('dialog').getByText('This server sends no mails').waitFor();
  await page.getByRole('button', { name: 'Close' }).click();
  await row(page, 'ada@example.org').filter({ hasText: 'No password yet' }).waitFor();

  await openProfile(page);
  await page.getByRole('button', { name: 'Change e-mail address' }).click();
  await page.getByLabel('New e-mail').fill('new@example.org');
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Send the link' }).click();
  await page.getByRole('dialog').getByRole('alert').filter({ hasText: 'Addresses can’t be changed here' }).waitFor();
});

test('an invitation is made, copied, used and revoked', async (t) => {
  const portal = await startPortal(t, `${POLICY}[sign_up]\nopen = false\ninvitation = "required"\n`);
  const { page, context } = await administrator(t, portal);
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: portal.url });
  await page.goto(`${portal.url}/invitations`);
  await page.getByRole('main').getByText('No invitation is open.').waitFor();
  await picture(page, 'invitations-empty');
  await page.getByRole('button', { name: 'Create invitation' }).click();
  await inDialog(page, 'Create invitation');
  const dialog = page.getByRole('dialog');
  const create = dialog.getByRole('button', { name: 'Create invitation' });
  await page.getByLabel('For whom').selectOption('All addresses of a domain');
  assert.equal(await focused(page), 'domain');
  await page.getByLabel('Domain').fill('example');
  await page.getByLabel('How many accounts').fill('0');
  await page.getByLabel('Works until').fill('2020-01-01T10:00');
  await create.click();
  await page.getByText('A whole number from 1 to 100000').waitFor();
  await page.getByText('Choose a time that is still to come').waitFor();
  assert.equal(await focused(page), 'domain');
  await page.getByLabel('Domain').fill('example.org');
  await page.getByLabel('How many accounts').fill('2');
  await page.getByLabel('Works until').fill(`${new Date().getUTCFullYear() + 1}-06-01T10:00`);
  await page.getByLabel('Note').fill('Summer school');
  await create.click();
  await inDialog(page, 'Pass the invitation on now');
  await picture(page, 'invitation-secret');
  await page.keyboard.press('Escape');
  await dialog.getByRole('button', { name: 'Copy link' }).click();
  await dialog.getByRole('button', { name: 'Copied', exact: true }).waitFor();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  const token = new URL(link).searchParams.get('invitation');
  await dialog.getByText(token, { exact: true }).waitFor();
  await dialog.getByRole('button', { name: 'I have copied it' }).click();
  assert.ok(!(await page.content()).includes(token), 'shown once');
  await row(page, 'Addresses at example.org').filter({ hasText: 'Summer school' }).filter({ hasText: '0 of 2' }).filter({ hasText: 'Open' }).waitFor();

  const guest = await person(t, portal);
  const signUp = async (email) => {
    await guest.page.goto(link);
    await guest.page.getByLabel('E-mail', { exact: true }).fill(email);
    await guest.page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await guest.page.getByRole('button', { name: 'Sign up' }).click();
  };
  await signUp('ada@example.org');
  await inDialog(guest.page, 'Check your mail');
  await page.reload();
  await row(page, 'Summer school').filter({ hasText: 'one more waiting' }).waitFor();
  await guest.page.goto(await portal.mailedLink('verify-email'));
  await guest.page.getByRole('button', { name: 'Confirm' }).click();
  await inDialog(guest.page, 'Log in');
  await page.reload();
  await row(page, 'Summer school').filter({ hasText: '1 of 2' }).waitFor();
  await picture(page, 'invitations');

  await page.getByRole('button', { name: 'Revoke: Addresses at example.org' }).click();
  await inDialog(page, 'Revoke this invitation?');
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Revoke: Addresses at example.org' }).click();
  await dialog.getByRole('button', { name: 'Revoke' }).click();
  await page.getByRole('main').getByText('No invitation is open.').waitFor();
  await page.getByText('All', { exact: true }).click();
  await row(page, 'Summer school').filter({ hasText: 'Revoked' }).waitFor();
  assert.equal(await page.getByRole('button', { name: /^Revoke/ }).count(), 0);
  await signUp('bob@example.org');
  await guest.page.getByText('This invitation doesn’t work').waitFor();
});

test('the audit trail is filtered, opened, and read on', async (t) => {
  const portal = await startPortal(t, POLICY);
  const { page, email } = await administrator(t, portal);
  const ada = await newcomer(t, portal);
  await api(page, 'POST', '/login', { identifier: 'nobody@example.org', password: 'wrong password 1!' });
  await page.goto(`${portal.url}/audit`);
  const events = page.getByRole('list', { name: 'Audit' }).getByRole('listitem');
  const latest = events.first();
  await latest.filter({ hasText: 'Login failed' }).filter({ hasText: 'Refused' }).filter({ hasText: 'nobody@example.org' }).waitFor();
  await events.filter({ hasText: 'Logged in' }).filter({ hasText: ada.email }).waitFor();
  await latest.locator('summary').focus();
  await page.keyboard.press('Enter');
  for (const [name, value] of [['Event', 'login.failed'], ['Outcome', 'Refused'], ['Refused by', 'invalid_credentials'], ['From', '127.0.0.1'], ['Browser', 'Chrome on Linux'], ['Failures before', '0']]) await fact(latest, name, value).waitFor();
  await picture(page, 'audit');

  await page.getByLabel('Outcome').selectOption('Refused');
  await events.filter({ hasText: 'Logged in' }).first().waitFor({ state: 'detached' });
  await latest.filter({ hasText: 'Login failed' }).waitFor();
  assert.equal(await events.count(), await events.filter({ hasText: 'Refused' }).count());
  await page.getByLabel('Event', { exact: true }).selectOption('Account deleted');
  await page.getByText('Nothing of this kind happened in this time').waitFor();
  await page.getByLabel('Outcome').selectOption('Done and refused');
  await page.getByLabel('Event', { exact: true }).selectOption('Logged in');
  await events.filter({ hasText: email }).waitFor();
  assert.equal(await events.count(), 2);

  await page.getByLabel('Account').fill('ada@');
  await page.getByRole('button', { name: ada.email }).waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await events.filter({ hasText: email }).waitFor({ state: 'detached' });
  await events.filter({ hasText: ada.email }).waitFor();
  assert.equal(await events.count(), 1);
  await page.getByRole('button', { name: `All accounts instead of ${ada.email}` }).click();
  await events.nth(1).waitFor();
  assert.equal(await focused(page), 'account');

  await page.route('**/auth/admin/audit?*', (route) => route.continue({ url: route.request().url().replace('limit=200', 'limit=1') }));
  for (let failure = 0; failure < 14; failure += 1) await api(page, 'POST', '/login', { identifier: `nobody${failure}@example.org`, password: 'wrong password 1!' });
  await page.getByLabel('Event', { exact: true }).selectOption('All events');
  await page.getByText('Only the oldest 20 events of this choice were read so far').waitFor();
  assert.equal(await events.filter({ hasText: 'nobody13@' }).count(), 0);
  await page.getByRole('button', { name: 'Read on' }).click();
  await latest.filter({ hasText: 'nobody13@' }).waitFor();
  assert.equal(await page.getByText('Only the oldest').count(), 0);

  await openAccount(page, portal, ada.email);
  await page.getByRole('button', { name: 'Audit trail' }).click();
  await page.getByRole('heading', { name: 'Audit', level: 1 }).waitFor();
  await events.filter({ hasText: 'Address confirmed, account made' }).waitFor();
  assert.equal(await events.filter({ hasText: ada.email }).count(), await events.count());
});

test('on a phone, in the dark and in Korean the pages fit, and the keyboard is enough', async (t) => {
  const portal = await startPortal(t, `${POLICY}[sign_up]\ninvitation = "optional"\n`);
  const { page, email } = await administrator(t, portal, { viewport: PHONE, colorScheme: 'dark' });
  const fits = async () => assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth && [...document.querySelectorAll('dialog')].every((each) => each.scrollWidth <= each.clientWidth)), 'no horizontal scroll');
  await api(page, 'POST', '/admin/users', { email: 'somebody.with.rather.a.long.address@department.example.org', full_name: 'Somebody with rather a long name', role: 'a-role-with-rather-a-long-name' });
  await api(page, 'POST', '/admin/invitations', { email: 'somebody.with.rather.a.long.address@department.example.org', note: 'A word to oneself that says why' });
  await page.getByRole('button', { name: /^User menu/ }).click();
  await page.getByLabel('Language').selectOption('ko');
  await page.getByRole('button', { name: '메뉴', exact: true }).click();
  await page.getByRole('link', { name: '사용자' }).press('Enter');
  await row(page, 'Somebody').filter({ hasText: '비밀번호 없음' }).waitFor();
  await fits();
  await picture(page, 'users-phone');
  const name = page.getByRole('button', { name: 'Somebody with rather a long name' });
  await row(page, email).getByRole('button').focus();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await inDialog(page, 'Somebody with rather a long name');
  await fits();
  await picture(page, 'user-phone');
  await page.keyboard.press('Escape');
  assert.ok(await name.evaluate((element) => element === document.activeElement), 'the focus is where it was');
  await page.goto(`${portal.url}/invitations`);
  await page.getByRole('button', { name: /^초대 철회/ }).waitFor();
  await fits();
  await picture(page, 'invitations-phone');
  await page.getByRole('button', { name: '초대 만들기' }).press('Enter');
  await inDialog(page, '초대 만들기');
  await fits();
  await page.getByLabel('대상').selectOption('email');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Escape');
  await page.goto(`${portal.url}/audit`);
  await page.locator('.event summary').first().press('Enter');
  await page.locator('.event .facts').first().waitFor();
  await fits();
  await picture(page, 'audit-phone');
});

const row = (page, text) => page.getByRole('row').filter({ hasText: text });

const fact = (within, name, value) => within.locator('.facts > div').filter({ hasText: name }).filter({ hasText: value }).first();

async function openAccount(page, portal, email) {
  await page.goto(`${portal.url}/users`);
  await row(page, email).getByRole('button').click();
  await inDialog(page, email);
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).waitFor();
}

async function openProfile(page) {
  await page.getByRole('button', { name: /^User menu/ }).click();
  await page.getByRole('button', { name: 'Profile' }).click();
  await inDialog(page, 'Profile');
  await page.getByRole('button', { name: 'Change e-mail address' }).waitFor();
}

/** Calls the API in the page's session; what the console isn't tested for. */
const api = (page, method, path, body) => page.evaluate(async ([verb, target, json]) => {
  const reply = await fetch(`/auth${target}`, { method: verb, headers: json ? { 'content-type': 'application/json' } : {}, body: json });
  return reply.ok && reply.status !== 204 ? reply.json() : reply.status;
}, [method, path, body && JSON.stringify(body)]);
