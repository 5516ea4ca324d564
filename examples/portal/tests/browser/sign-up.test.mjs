// What the policy makes of the dialogs before login: sign-up with an invitation, and the endpoint under Advanced.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { administrator, inDialog, logIn, PASSWORD, person, PHONE, picture, startPortal } from './person.mjs';

test('an invitation is taken from its link, works once, and each refusal of one is at its field', async (t) => {
  const portal = await startPortal(t, '[sign_up]\ninvitation = "required"\n');
  const invitation = await invite(t, portal, { email: 'eve@example.org' });
  const { page } = await person(t, portal);
  await page.goto(portal.url);
  await page.getByRole('button', { name: 'Sign up' }).click();
  await inDialog(page, 'Sign up');
  await fillIn(page, 'ada@example.org');
  await page.getByText('Fill in: Invitation token').waitFor();
  const token = page.getByLabel('Invitation token');
  await token.fill('not a token');
  await page.getByRole('button', { name: 'Sign up' }).click();
  await page.getByText('This invitation doesn’t work').waitFor();
  assert.equal(await token.getAttribute('aria-invalid'), 'true');
  assert.ok(await token.evaluate((input) => input === document.activeElement));

  await page.goto(`${portal.url}/sign-up?invitation=${invitation}`);
  await inDialog(page, 'Sign up');
  assert.equal(new URL(page.url()).search, '', 'the token left the address bar');
  assert.equal(await token.inputValue(), invitation);
  await fillIn(page, 'ada@example.org');
  await page.getByText('This invitation doesn’t work').waitFor();
  await picture(page, 'invitation-refused');
  await fillIn(page, 'eve@example.org');
  await inDialog(page, 'Check your mail');
  await page.goto(await portal.mailedLink('verify-email'));
  await page.getByRole('button', { name: 'Confirm' }).click();
  await logIn(page, 'eve@example.org');
  await page.getByRole('heading', { name: /^Hello/ }).waitFor();

  const { page: late } = await person(t, portal);
  await late.goto(`${portal.url}/sign-up?invitation=${invitation}`);
  await fillIn(late, 'eve@example.org');
  await late.getByText('This invitation doesn’t work').waitFor();
});

test('where sign-up is closed an invitation opens it, and without invitations nothing does', async (t) => {
  const portal = await startPortal(t, '[sign_up]\nopen = false\ninvitation = "optional"\n');
  const invitation = await invite(t, portal);
  const { page } = await person(t, portal);
  await page.goto(`${portal.url}/sign-up?invitation=${invitation}`);
  await inDialog(page, 'Sign up');
  await page.getByText('You need an invitation to sign up').waitFor();
  await fillIn(page, 'ada@example.org');
  await inDialog(page, 'Check your mail');

  const closed = await startPortal(t, '[sign_up]\nopen = false\n');
  const { page: outside } = await person(t, closed);
  await outside.goto(closed.url);
  await inDialog(outside, 'Log in');
  assert.equal(await outside.getByRole('button', { name: 'Sign up' }).count(), 0);
  await outside.goto(`${closed.url}/sign-up?invitation=${invitation}`);
  await inDialog(outside, 'Sign up');
  await outside.getByText('contact your administrator').waitFor();
  assert.equal(await outside.getByLabel('Password').count(), 0, 'nothing to fill in');
});

test('a server says that an invitation is needed to a page that was loaded before', async (t) => {
  const portal = await startPortal(t, '[sign_up]\ninvitation = "required"\n');
  const { page } = await person(t, portal);
  await page.route('**/auth/options', async (route) => {
    const reply = await route.fetch();
    const options = await reply.json();
    await route.fulfill({ response: reply, json: { ...options, sign_up: { ...options.sign_up, invitation: 'optional' } } });
  });
  await page.goto(`${portal.url}/sign-up`);
  await page.getByText('Fill in if you were invited').waitFor();
  await fillIn(page, 'ada@example.org');
  await page.getByText('You need an invitation to sign up. Enter its token').waitFor();
  assert.equal(await page.getByLabel('Invitation token').getAttribute('aria-invalid'), 'true');
});

test('Advanced shows the endpoint: pinned it is read-only, otherwise another server is opened, and without one there is none', async (t) => {
  const withEndpoint = async (settings, options) => {
    const portal = await startPortal(t, `[login]\nendpoint = { ${settings} }\n`);
    const { page } = await person(t, portal, options);
    await page.goto(portal.url);
    await inDialog(page, 'Log in');
    return page;
  };
  const none = await withEndpoint('url = "", pinned = true');
  assert.equal(await none.getByText('Advanced').count(), 0);

  const pinned = await withEndpoint('url = "https://api.example.org", pinned = true', { viewport: PHONE });
  const endpoint = pinned.getByLabel('API endpoint');
  assert.ok(!(await endpoint.isVisible()), 'folded at first');
  await pinned.getByText('Advanced').click();
  assert.equal(await endpoint.inputValue(), 'https://api.example.org');
  assert.ok(!(await endpoint.isEditable()));
  await pinned.getByText('Set by your administrator').waitFor();
  assert.equal(await pinned.getByText('optional').count(), 0);
  assert.ok(await pinned.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'no horizontal scroll');
  await picture(pinned, 'advanced-phone');

  const free = await withEndpoint('url = "https://api.example.org", pinned = false');
  const calls = [];
  free.on('request', (request) => request.url().endsWith('/login') && calls.push(request.url()));
  await free.getByText('Advanced').click();
  await free.getByLabel('API endpoint').fill('no address');
  await free.getByText('Advanced').click();
  await logIn(free, 'ada@example.org');
  assert.ok(await free.getByLabel('API endpoint').evaluate((input) => input === document.activeElement), 'unfolded and focused');
  await free.getByLabel('API endpoint').fill('https://other.example.org');
  await logIn(free, 'ada@example.org');
  await free.getByRole('alert').filter({ hasText: 'other.example.org' }).waitFor();
  assert.equal(await free.getByRole('link', { name: 'Open other.example.org' }).getAttribute('href'), 'https://other.example.org');
  await picture(free, 'advanced-elsewhere');
  assert.deepEqual(calls, [], 'nothing was sent');
});

async function fillIn(page, email) {
  await page.getByLabel('E-mail', { exact: true }).fill(email);
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign up' }).click();
}

/** The token of a new invitation, made by the first administrator. */
async function invite(t, portal, wish = {}) {
  const { page } = await administrator(t, portal);
  return page.evaluate(async (body) => {
    const reply = await fetch('/auth/admin/invitations', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    return (await reply.json()).token;
  }, JSON.stringify(wish));
}
