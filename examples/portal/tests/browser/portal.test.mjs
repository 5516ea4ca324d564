// The portal as a person sees it: signing up, logging in, the session, and the account.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { oneTimePassword } from './one-time-password.mjs';
import { becomeMember, focused, inDialog, labelled, logIn, logOut, newcomer, PASSWORD, person, PHONE, picture, signUp, startPortal } from './person.mjs';

const NEW_PASSWORD = 'another horse 8?';

test('a person signs up, confirms the address, logs in, extends the session and logs out', async (t) => {
  const portal = await startPortal(t);
  const { page } = await person(t, portal);
  await page.goto(portal.url);
  await page.getByRole('button', { name: 'Sign up' }).click();
  await inDialog(page, 'Sign up');

  await page.getByLabel('E-mail', { exact: true }).fill('ada@example.org');
  await page.getByLabel('Username').fill('ada');
  await page.getByLabel('Full name').fill('Ada Lovelace');
  const password = page.getByLabel('Password', { exact: true });
  await password.fill('abc4');
  const rule = (text) => page.getByRole('listitem').filter({ hasText: text });
  await rule('a digit, met').waitFor();
  await page.getByRole('button', { name: 'Sign up' }).click();
  await page.getByText('doesn’t meet every rule yet').waitFor();
  await rule('8 or more characters, still missing').waitFor();
  await rule('a special character, still missing').waitFor();
  await rule('a letter, met').waitFor();
  assert.equal(await focused(page), 'password');
  await password.fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign up' }).click();
  await inDialog(page, 'Check your mail');
  await page.getByText('ada@example.org').waitFor();

  await page.getByRole('button', { name: 'Go to the login' }).click();
  await logIn(page, 'ada@example.org');
  await page.getByText('Your e-mail address is unverified').waitFor();

  await page.goto(await portal.mailedLink('verify-email'));
  await inDialog(page, 'Confirm your address');
  assert.equal(new URL(page.url()).search, '', 'the token left the address bar');
  await page.getByText('ada@example.org').waitFor();
  await page.getByText('Chrome on Linux').waitFor();
  await page.getByRole('button', { name: 'Confirm' }).click();
  await inDialog(page, 'Log in');
  await page.getByText('Your e-mail address is confirmed').waitFor();

  await logIn(page, 'ada');
  await page.getByRole('heading', { name: 'Hello, Ada Lovelace' }).waitFor();
  await page.getByText('You are logged in nowhere else').waitFor();
  await labelled(page);

  await page.getByRole('button', { name: 'User menu of Ada Lovelace' }).click();
  await page.getByRole('banner').getByText('ada@example.org').waitFor();
  await page.getByRole('banner').getByRole('button', { name: 'Extend' }).click();
  await page.getByRole('status').filter({ hasText: 'Session extended' }).waitFor({ state: 'attached' });
  await page.getByRole('button', { name: 'Log Out' }).click();
  await inDialog(page, 'Log in');
  await page.getByText('You are logged out').waitFor();
  await page.reload();
  await inDialog(page, 'Log in');
});

test('the sidebar is narrowed by its button and by its key, but not while typing, and stays so', async (t) => {
  const portal = await startPortal(t);
  const { page } = await newcomer(t, portal);
  const narrowed = () => page.getByRole('button', { name: 'Widen the sidebar' }).waitFor();
  const widened = () => page.getByRole('button', { name: 'Narrow the sidebar' }).waitFor();

  await page.getByRole('button', { name: 'Narrow the sidebar' }).click();
  await narrowed();
  await page.keyboard.press('[');
  await widened();
  await page.keyboard.press('[');
  await narrowed();
  await page.reload();
  await narrowed();

  await page.getByRole('button', { name: /^User menu/ }).click();
  await page.getByLabel('Language').focus();
  await page.keyboard.press('[');
  await narrowed();
  await page.getByRole('switch').uncheck();
  await page.keyboard.press('Escape');
  assert.match(await focused(page), /^User menu/);
  await page.keyboard.press('[');
  await narrowed();
});

test('a wrong password is refused in plain words and the keyboard is enough to try again', async (t) => {
  const portal = await startPortal(t);
  const { page } = await person(t, portal);
  await becomeMember(page, portal, 'ada@example.org');
  await page.goto(portal.url);
  await inDialog(page, 'Log in');
  assert.equal(await focused(page), 'identifier');
  await page.keyboard.type('ada@example.org');
  await page.keyboard.press('Tab');
  await page.keyboard.type('not my password 1!');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').filter({ hasText: 'These login details aren’t right' }).waitFor();
  assert.equal(await focused(page), 'password');
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: /^Hello/ }).waitFor();
});

test('the eleventh failure restricts and the dialog counts the time down', async (t) => {
  const portal = await startPortal(t, '[password]\nbcrypt_cost = 4\n');
  const { page } = await person(t, portal);
  await page.goto(portal.url);
  for (let failure = 1; failure <= 12; failure += 1) {
    const answered = page.waitForResponse((response) => response.url().endsWith('/auth/login'));
    await logIn(page, 'nobody@example.org', 'wrong password 1!');
    if ((await answered).status() === 429) break;
  }
  const countdown = page.getByText(/^19 min \d+ s$/);
  await countdown.waitFor();
  const before = await countdown.textContent();
  await page.waitForFunction((text) => !document.body.textContent.includes(text), before);
});

test('a second browser takes the session over and the first is told why', async (t) => {
  const portal = await startPortal(t);
  const first = await newcomer(t, portal);
  const second = await person(t, portal);
  await second.page.goto(portal.url);
  await logIn(second.page, first.email);
  await inDialog(second.page, 'You are already logged in elsewhere');
  await second.page.getByRole('listitem').filter({ hasText: 'Chrome on Linux' }).filter({ hasText: '127.0.0.1' }).waitFor();
  await second.page.getByRole('button', { name: 'End it and go on' }).click();
  await second.page.getByRole('heading', { name: /^Hello/ }).waitFor();

  await first.page.getByRole('button', { name: 'Extend' }).first().click();
  await inDialog(first.page, 'Log in');
  await first.page.getByText('logged in from another browser or device').waitFor();
});

test('cancelling a conflict keeps the existing session', async (t) => {
  const portal = await startPortal(t);
  const first = await newcomer(t, portal);
  const second = await person(t, portal);
  await second.page.goto(portal.url);
  await logIn(second.page, first.email);
  await inDialog(second.page, 'You are already logged in elsewhere');
  await second.page.keyboard.press('Escape');
  await inDialog(second.page, 'Log in');
  await second.page.getByText('The existing session goes on').waitFor();
  assert.equal(await second.page.getByLabel('E-mail or username').inputValue(), first.email);

  await first.page.reload();
  await first.page.getByRole('heading', { name: /^Hello/ }).waitFor();
});

test('a log-out in one tab logs the other out, and a log-in brings it back', async (t) => {
  const portal = await startPortal(t);
  const { page, context, email } = await newcomer(t, portal);
  const other = await context.newPage();
  await other.goto(portal.url);
  await other.getByRole('heading', { name: /^Hello/ }).waitFor();

  await logOut(page);
  await inDialog(other, 'Log in');
  await other.getByText('You logged out in another tab').waitFor();
  await logIn(other, email);
  await page.getByRole('heading', { name: /^Hello/ }).waitFor();
});

test('opening the link acts on nothing, and “It wasn’t me” removes the request', async (t) => {
  const portal = await startPortal(t);
  const { page } = await person(t, portal);
  await signUp(page, portal, 'eve@example.org');
  const link = await portal.mailedLink('verify-email');
  await page.goto(link);
  await inDialog(page, 'Confirm your address');
  await page.goto(portal.url);
  await logIn(page, 'eve@example.org');
  await page.getByText('Your e-mail address is unverified').waitFor();

  await page.goto(link);
  await page.getByRole('button', { name: 'It wasn’t me' }).click();
  await inDialog(page, 'Request removed');
  await page.goto(link);
  await inDialog(page, 'This link doesn’t work any more');
});

test('the link that the portal prints makes the first administrator', async (t) => {
  const portal = await startPortal(t);
  assert.ok(portal.firstAdministrator, 'the portal prints a link while nobody has an account');
  const { page } = await person(t, portal);
  await page.goto(portal.firstAdministrator);
  await inDialog(page, 'Welcome');
  assert.equal(new URL(page.url()).search, '', 'the token left the address bar');
  await page.getByLabel('E-mail', { exact: true }).fill('root@example.org');
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Create the account' }).click();
  await inDialog(page, 'Log in');
  await page.getByText('The administrator’s account is ready').waitFor();
  await logIn(page, 'root@example.org');
  await page.getByText('Administrator', { exact: true }).waitFor();

  await page.goto(portal.firstAdministrator);
  await page.getByLabel('E-mail', { exact: true }).fill('again@example.org');
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Create the account' }).click();
  await inDialog(page, 'This link doesn’t work any more');
});

test('a forgotten password is changed by mail: the old one is refused and the new one works', async (t) => {
  const portal = await startPortal(t);
  const { page } = await person(t, portal);
  await becomeMember(page, portal, 'ada@example.org');
  const ask = async (email) => {
    await page.goto(portal.url);
    await page.getByText('Forgot password?').click();
    await page.getByRole('button', { name: 'Change', exact: true }).click();
    await inDialog(page, 'Set a new password');
    await page.getByLabel('E-mail', { exact: true }).fill(email);
    await page.getByRole('button', { name: 'Send the link' }).click();
    await inDialog(page, 'Check your mail');
    return page.locator('.intro').textContent();
  };
  const known = await ask('ada@example.org');
  assert.equal((await ask('eve@example.org')).replace('eve', 'ada'), known, 'the same is said whatever was typed');

  const link = await portal.mailedLink('reset-password');
  await page.goto(link);
  await inDialog(page, 'Choose a new password');
  assert.equal(new URL(page.url()).search, '', 'the token left the address bar');
  const chosen = page.getByLabel('New password', { exact: true });
  await chosen.fill('abc4');
  await page.getByRole('button', { name: 'Set the password' }).click();
  await page.getByRole('listitem').filter({ hasText: 'a special character, still missing' }).waitFor();
  await picture(page, 'reset-password');
  await chosen.fill(NEW_PASSWORD);
  await page.getByRole('button', { name: 'Set the password' }).click();
  await inDialog(page, 'Log in');
  await page.getByText('Your new password is set').waitFor();

  await logIn(page, 'ada@example.org');
  await page.getByText('These login details aren’t right').waitFor();
  await logIn(page, 'ada@example.org', NEW_PASSWORD);
  await page.getByRole('heading', { name: /^Hello/ }).waitFor();

  await page.goto(link);
  await chosen.fill(NEW_PASSWORD);
  await page.getByRole('button', { name: 'Set the password' }).click();
  await inDialog(page, 'This link doesn’t work any more');
  await page.getByRole('button', { name: 'Ask for a new link' }).click();
  await inDialog(page, 'Set a new password');
});

test('changing the password ends the other browser’s session and this one goes on', async (t) => {
  const portal = await startPortal(t, '[session]\nmax_concurrent = 3\n');
  const first = await newcomer(t, portal);
  const second = await person(t, portal);
  await second.page.goto(portal.url);
  await logIn(second.page, first.email);
  await second.page.getByRole('heading', { name: /^Hello/ }).waitFor();
  await first.page.reload();
  await first.page.getByRole('button', { name: /^End the session of Chrome on Linux/ }).waitFor();

  await first.page.getByRole('button', { name: /^User menu/ }).click();
  await picture(first.page, 'user-menu');
  await first.page.getByRole('button', { name: 'Change password' }).click();
  await inDialog(first.page, 'Change password');
  const [current, chosen] = ['Current password', 'New password'].map((label) => first.page.getByLabel(label, { exact: true }));
  const change = first.page.getByRole('button', { name: 'Change', exact: true });
  await current.fill('not my password 1!');
  await chosen.fill(NEW_PASSWORD);
  await change.click();
  await first.page.getByText('These login details aren’t right').waitFor();
  await current.fill(PASSWORD);
  await chosen.fill(PASSWORD);
  await change.click();
  await first.page.getByText('It is the same as your old password').waitFor();
  await picture(first.page, 'change-password');
  await chosen.fill(NEW_PASSWORD);
  await change.click();
  await first.page.getByText('Your password is changed').first().waitFor();
  await picture(first.page, 'change-password-done');
  await first.page.getByRole('button', { name: 'Close' }).click();
  await first.page.getByText('You are logged in nowhere else').waitFor();
  assert.match(await focused(first.page), /^User menu/);

  await second.page.getByRole('button', { name: 'Extend' }).first().click();
  await inDialog(second.page, 'Log in');
  await second.page.getByText('Your session was ended').waitFor();
  await logIn(second.page, first.email, NEW_PASSWORD);
  await second.page.getByRole('heading', { name: /^Hello/ }).waitFor();
});

test('a password that is too old is changed on the way in', async (t) => {
  const portal = await startPortal(t, '[password]\nmax_age = "4s"\n');
  const { page } = await person(t, portal);
  await becomeMember(page, portal, 'ada@example.org');
  await page.waitForTimeout(4_000);
  await logIn(page, 'ada@example.org');
  await inDialog(page, 'Choose a new password');
  await picture(page, 'password-change');
  const chosen = page.getByLabel('New password', { exact: true });
  await chosen.fill(PASSWORD);
  await page.getByRole('button', { name: 'Change and go on' }).click();
  await page.getByText('It is the same as your old password').waitFor();
  await chosen.fill(NEW_PASSWORD);
  await page.getByRole('button', { name: 'Change and go on' }).click();
  await page.getByRole('heading', { name: /^Hello/ }).waitFor();
});

test('ending another session asks for the password when the login was a while ago', async (t) => {
  const portal = await startPortal(t, '[session]\nmax_concurrent = 3\nfresh_proof = "1s"\n');
  const first = await newcomer(t, portal);
  const second = await person(t, portal);
  await second.page.goto(portal.url);
  await logIn(second.page, first.email);
  await second.page.getByRole('heading', { name: /^Hello/ }).waitFor();

  await first.page.reload();
  const end = first.page.getByRole('button', { name: /^End the session of Chrome on Linux/ });
  await end.waitFor();
  await first.page.waitForTimeout(1_500);
  await end.click();
  await inDialog(first.page, 'Confirm that it’s you');
  await first.page.getByLabel('Password', { exact: true }).fill('not my password 1!');
  await first.page.getByRole('button', { name: 'Go on' }).click();
  await first.page.getByText('These login details aren’t right').waitFor();
  await first.page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await first.page.getByRole('button', { name: 'Go on' }).click();
  await first.page.getByText('You are logged in nowhere else').waitFor();

  await second.page.getByRole('button', { name: 'Extend' }).first().click();
  await inDialog(second.page, 'Log in');
  await second.page.getByText('Your session was ended').waitFor();
});

test('a person sets up two-factor authentication, and a login asks for a code that works once', async (t) => {
  const portal = await startPortal(t, '[session]\nmax_concurrent = 3\n');
  const { page, email } = await newcomer(t, portal);
  await openTwoFactor(page);
  await page.getByText('It is off').waitFor();
  await page.getByRole('button', { name: 'Set up' }).click();
  await inDialog(page, 'Set up two-factor authentication');
  await page.getByLabel('Password', { exact: true }).fill('not my password 1!');
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByText('These login details aren’t right').waitFor();
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByRole('img', { name: /^QR code/ }).waitFor();
  assert.ok(await page.getByRole('img', { name: /^QR code/ }).evaluate((image) => image.complete && image.naturalWidth > 0), 'the QR code is drawn');
  const secret = await manualKey(page);
  const used = oneTimePassword(secret);
  await enterCode(page, used, 'Switch on');
  await inDialog(page, 'Keep your recovery codes');
  const codes = await page.getByRole('list', { name: 'Recovery codes' }).getByRole('listitem').allTextContents();
  assert.equal(codes.length, 10);
  await page.getByRole('button', { name: 'I have kept them' }).click();

  await logOut(page);
  await logIn(page, email);
  await inDialog(page, 'Enter your code');
  assert.equal(await focused(page), 'code');
  await enterCode(page, used, 'Go on');
  await page.getByText('That code isn’t right').waitFor();
  const next = oneTimePassword(secret, 1);
  // As an application shows it, and as a person copies it.
  await paste(page, `${next.slice(0, 3)} ${next.slice(3)}`);
  assert.equal(await page.getByLabel('Code from the app').inputValue(), next);
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByRole('heading', { name: /^Hello/ }).waitFor();

  await logOut(page);
  await logIn(page, email);
  await enterCode(page, next, 'Go on');
  await page.getByText('That code isn’t right').waitFor();
  await useRecoveryCode(page, codes[0].toLowerCase());
  await page.getByRole('heading', { name: /^Hello/ }).waitFor();
  await logOut(page);
  await logIn(page, email);
  await useRecoveryCode(page, codes[0]);
  await page.getByText('That code isn’t right').waitFor();
  await page.getByLabel('Recovery code').fill(codes[1]);
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByRole('heading', { name: /^Hello/ }).waitFor();

  await openTwoFactor(page);
  await page.getByText('Recovery codes left: 8').waitFor();
  await page.getByRole('button', { name: 'Switch off' }).click();
  await inDialog(page, 'Switch off two-factor authentication');
  await page.getByRole('button', { name: 'Use a recovery code instead' }).click();
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByLabel('Recovery code').fill(codes[2]);
  await page.getByRole('button', { name: 'Switch off' }).click();
  await page.getByText('It is off').waitFor();
  await page.getByRole('button', { name: 'Close' }).click();
  await logOut(page);
  await logIn(page, email);
  await page.getByRole('heading', { name: /^Hello/ }).waitFor();
});

test('where the policy requires it, the first login sets up two-factor authentication', async (t) => {
  const portal = await startPortal(t, '[totp]\nmode = "required"\n');
  const { page } = await person(t, portal, { viewport: PHONE });
  await becomeMember(page, portal, 'ada@example.org');
  await logIn(page, 'ada@example.org');
  await inDialog(page, 'Set up two-factor authentication');
  const former = await manualKey(page);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await inDialog(page, 'Log in');
  await logIn(page, 'ada@example.org');
  await inDialog(page, 'Set up two-factor authentication');
  const secret = await manualKey(page);
  assert.notEqual(secret, former, 'a new key each time');
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'no horizontal scroll');
  await enterCode(page, '12345', 'Switch on');
  await page.getByText('Enter all 6 digits').waitFor();
  await enterCode(page, oneTimePassword(secret), 'Switch on');
  await inDialog(page, 'Keep your recovery codes');
  const saved = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download' }).click();
  assert.equal((await saved).suggestedFilename(), 'doorwarden recovery codes.txt');
  await page.getByRole('button', { name: 'I have kept them' }).click();
  await page.getByRole('heading', { name: /^Hello/ }).waitFor();

  await logOut(page);
  await logIn(page, 'ada@example.org');
  await inDialog(page, 'Enter your code');
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'no horizontal scroll');
  await enterCode(page, oneTimePassword(secret, 1), 'Go on');
  await page.getByRole('heading', { name: /^Hello/ }).waitFor();
});

test('an address is changed by the link that it gets, and the former one takes the account back', async (t) => {
  const portal = await startPortal(t);
  const { page, email } = await newcomer(t, portal);
  await openProfile(page);
  await page.getByRole('button', { name: 'Change e-mail address' }).click();
  await inDialog(page, 'Change e-mail address');
  await page.getByLabel('New e-mail').fill('ada@example.com');
  await page.getByLabel('Password', { exact: true }).fill('not my password 1!');
  await page.getByRole('button', { name: 'Send the link' }).click();
  await page.getByText('These login details aren’t right').waitFor();
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await picture(page, 'change-email');
  await page.getByRole('button', { name: 'Send the link' }).click();
  await page.getByRole('dialog').getByText('If ada@example.com can be used').waitFor();
  await page.getByRole('button', { name: 'Close' }).click();

  const link = await portal.mailedLink('confirm-email');
  await page.goto(link);
  await inDialog(page, 'Confirm the new address');
  assert.equal(new URL(page.url()).search, '', 'the token left the address bar');
  await page.getByText('a…@example.org').waitFor();
  await picture(page, 'confirm-email');
  await page.getByRole('button', { name: 'Confirm' }).click();
  await page.getByRole('heading', { name: /^Hello/ }).waitFor();
  await page.getByRole('main').getByText('ada@example.com', { exact: true }).waitFor();
  await page.goto(link);
  await inDialog(page, 'This link doesn’t work any more');

  const owner = await person(t, portal);
  await owner.page.goto(await portal.mailedLink('email-changed'));
  await inDialog(owner.page, 'Take your account back');
  assert.equal(new URL(owner.page.url()).search, '', 'the token left the address bar');
  await picture(owner.page, 'undo-email');
  await owner.page.getByRole('button', { name: 'Undo the change' }).click();
  await inDialog(owner.page, 'Log in');
  await owner.page.getByText('The account has its former address again').waitFor();
  await logIn(owner.page, email);
  await owner.page.getByText('These login details aren’t right').waitFor();
  await page.goto(portal.url);
  await inDialog(page, 'Log in');

  await owner.page.goto(await portal.mailedLink('email-restored'));
  await owner.page.getByLabel('New password', { exact: true }).fill(NEW_PASSWORD);
  await owner.page.getByRole('button', { name: 'Set the password' }).click();
  await owner.page.getByText('Your new password is set').waitFor();
  await logIn(owner.page, email, NEW_PASSWORD);
  await owner.page.getByRole('heading', { name: /^Hello/ }).waitFor();
});

test('a person changes name and language, and deletes the account', async (t) => {
  const portal = await startPortal(t);
  const { page, email } = await newcomer(t, portal);
  await openProfile(page);
  await page.getByLabel('Username').fill('a@b');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('This username can’t be used').waitFor();
  await page.getByLabel('Username').fill('ada');
  await page.getByLabel('Full name').fill('Ada Lovelace');
  await page.getByLabel('Language of mails').selectOption('ko');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved.').waitFor();
  await picture(page, 'profile');
  await page.getByRole('button', { name: 'Close' }).click();
  await openProfile(page);
  assert.equal(await page.getByLabel('Language of mails').inputValue(), 'ko');
  assert.equal(await page.getByLabel('Full name').inputValue(), 'Ada Lovelace');

  await page.getByRole('button', { name: 'Delete account' }).click();
  await inDialog(page, 'Delete account');
  await page.getByLabel(`Type ${email} to confirm`).fill('no');
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Delete for good' }).click();
  await page.getByText('This isn’t the address of your account').waitFor();
  await picture(page, 'delete-account');
  await page.getByLabel(`Type ${email} to confirm`).fill(email);
  await page.getByRole('button', { name: 'Delete for good' }).click();
  await inDialog(page, 'Log in');
  await page.getByText('Your account is deleted').waitFor();
  await logIn(page, email);
  await page.getByText('These login details aren’t right').waitFor();
});

test('a fresh proof takes a code where two-factor authentication is on', async (t) => {
  const portal = await startPortal(t, '[session]\nmax_concurrent = 3\nfresh_proof = "1s"\n');
  const { page, email } = await newcomer(t, portal);
  await openTwoFactor(page);
  await page.getByRole('button', { name: 'Set up' }).click();
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Go on' }).click();
  const secret = await manualKey(page);
  await enterCode(page, oneTimePassword(secret), 'Switch on');
  await page.getByRole('button', { name: 'I have kept them' }).waitFor();
  const codes = await page.getByRole('list', { name: 'Recovery codes' }).getByRole('listitem').allTextContents();
  await page.getByRole('button', { name: 'I have kept them' }).click();
  const second = await person(t, portal);
  await second.page.goto(portal.url);
  await logIn(second.page, email);
  await useRecoveryCode(second.page, codes[0]);
  await second.page.getByRole('heading', { name: /^Hello/ }).waitFor();

  await page.reload();
  await page.getByRole('button', { name: /^End the session of Chrome on Linux/ }).click();
  await inDialog(page, 'Confirm that it’s you');
  await page.getByRole('button', { name: 'Use a code instead' }).click();
  assert.equal(await focused(page), 'code');
  await enterCode(page, '000000', 'Go on');
  await page.getByText('That code isn’t right').waitFor();
  await picture(page, 'prove-code');
  await page.getByRole('button', { name: 'Use a recovery code instead' }).click();
  await page.getByLabel('Recovery code').fill(codes[1]);
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByText('You are logged in nowhere else').waitFor();
});

test('a session that expires logs the browser out by itself', async (t) => {
  const portal = await startPortal(t, '[session]\nlifetime = "3s"\nextendable = false\n');
  const { page } = await person(t, portal);
  await becomeMember(page, portal, 'ada@example.org');
  await logIn(page, 'ada@example.org');
  await page.getByText('Your session has expired').waitFor();
  await inDialog(page, 'Log in');
});

test('two minutes before its end a session warns, and is extended from the warning in all tabs', async (t) => {
  const portal = await startPortal(t, '[session]\nlifetime = "100s"\n');
  const { page, context } = await newcomer(t, portal);
  await inDialog(page, 'Your session is about to end');
  const other = await context.newPage();
  await other.goto(portal.url);
  await inDialog(other, 'Your session is about to end');
  await page.getByRole('alertdialog').getByRole('button', { name: 'Extend' }).click();
  for (const tab of [page, other]) await tab.getByRole('alertdialog').waitFor({ state: 'detached' });
});

test('nothing is wider than a phone', async (t) => {
  const portal = await startPortal(t);
  const { page } = await person(t, portal, { viewport: PHONE });
  const fits = async () => assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'no horizontal scroll');
  await page.goto(portal.url);
  await inDialog(page, 'Log in');
  await fits();
  await page.getByRole('button', { name: 'Sign up' }).click();
  await inDialog(page, 'Sign up');
  await page.getByRole('button', { name: 'Sign up' }).click();
  await page.getByText('Fill in: E-mail').waitFor();
  await fits();
  await becomeMember(page, portal, 'ada@example.org');
  await logIn(page, 'ada@example.org');
  await page.getByRole('heading', { name: /^Hello/ }).waitFor();
  await fits();
  await page.getByRole('button', { name: 'Menu', exact: true }).click();
  await page.getByRole('link', { name: 'Start' }).waitFor();
  await page.keyboard.press('Escape');
  assert.equal(await focused(page), 'Menu');
});

test('the language is the browser’s, can be changed, and is remembered', async (t) => {
  const portal = await startPortal(t);
  const { page } = await person(t, portal, { locale: 'ko-KR' });
  await page.goto(portal.url);
  await inDialog(page, '로그인');
  assert.equal(await page.locator('html').getAttribute('lang'), 'ko');
  await page.getByLabel('이메일 또는 사용자 이름').fill('ada');
  await page.getByLabel('언어').selectOption('en');
  await inDialog(page, 'Log in');
  assert.equal(await page.getByLabel('E-mail or username').inputValue(), 'ada', 'what was typed stays');
  await page.reload();
  await inDialog(page, 'Log in');
});

test('every language has the same words, and every refusal is explained', async () => {
  const lang = new URL('../../ui/lang/', import.meta.url);
  const files = readdirSync(lang);
  const [english, ...others] = await Promise.all(['en.js', ...files.filter((name) => name !== 'en.js')].map(async (name) => (await import(new URL(name, lang))).default));
  const keys = (node, path = '') => Object.entries(node).flatMap(([key, value]) => (value?.constructor === Object ? keys(value, `${path}${key}.`) : [`${path}${key}: ${Array.isArray(value) ? value.length : typeof value}`])).sort();
  for (const other of others) assert.deepEqual(keys(other), keys(english));

  const listed = readFileSync(new URL('../../../../docs/codes.md', import.meta.url), 'utf8');
  const codes = [...listed.matchAll(/^\| `(\w+)` \| \d/gm)].map(([, code]) => code);
  assert.ok(codes.length >= 40, 'the codes are read');
  for (const code of codes) assert.ok(english.refusals[code] ?? english.ended[code], `words for ${code}`);
  const trail = readFileSync(new URL('../../../../core/src/audit.rs', import.meta.url), 'utf8');
  const events = [...trail.matchAll(/^    \w+ = "(\w+\.\w+)",$/gm)].map(([, name]) => name);
  assert.ok(events.length >= 37, 'the names of events are read');
  assert.deepEqual(Object.keys(english.audit.names).sort(), events.sort(), 'words for every event');
  for (const rule of ['min_length', 'max_length', 'letter', 'digit', 'special', 'common', 'identifier', 'nul', 'control', 'same_as_old']) assert.ok(english.rules[rule], `words for ${rule}`);
});

test('the whole console in any one language is less than 100 KB over the wire', () => {
  const ui = new URL('../../ui/', import.meta.url);
  const weight = (name) => gzipSync(readFileSync(new URL(name, ui))).length;
  const files = readdirSync(ui, { recursive: true }).filter((name) => /\.\w+$/.test(name));
  const isLanguage = (name) => name.startsWith('lang/');
  const frame = files.filter((name) => !isLanguage(name)).map(weight).reduce((sum, each) => sum + each);
  const heaviest = Math.max(...files.filter(isLanguage).map(weight));
  assert.ok(files.length > 60 && frame + heaviest < 100_000, `${files.length} files, ${frame + heaviest} bytes`);
});

async function openProfile(page) {
  await page.getByRole('button', { name: /^User menu/ }).click();
  await page.getByRole('button', { name: 'Profile' }).click();
  await inDialog(page, 'Profile');
  await page.getByLabel('Language of mails').waitFor();
}

async function openTwoFactor(page) {
  await page.getByRole('button', { name: /^User menu/ }).click();
  await page.getByRole('button', { name: 'Two-factor authentication' }).click();
  await inDialog(page, 'Two-factor authentication');
}

/** The key that is shown beside the QR code. */
const manualKey = async (page) => (await page.locator('.secret').textContent()).replaceAll(' ', '');

async function enterCode(page, code, button) {
  await page.getByLabel('Code from the app').fill(code);
  await page.getByRole('button', { name: button }).click();
}

async function useRecoveryCode(page, code) {
  await page.getByRole('button', { name: 'Use a recovery code instead' }).click();
  await page.getByLabel('Recovery code').fill(code);
  await page.getByRole('button', { name: 'Go on' }).click();
}

/** Puts a text where the focus is, over what is marked there, as a paste does. */
const paste = (page, text) => page.keyboard.insertText(text);
