// The account's API keypairs, and logging in with one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { becomeMember, focused, inDialog, logIn, logOut, newcomer, PASSWORD, person, PHONE, picture, startPortal } from './person.mjs';

const BOTH_MODES = '[login]\nmodes = ["session", "api"]\n';

test('a keypair is made, shows its secret key once, logs a program in, and is switched off, rotated and deleted', async (t) => {
  const portal = await startPortal(t, `${BOTH_MODES}[session]\non_conflict = "allow"\n[keypairs]\nper_user = 1\n`);
  const { page, context } = await newcomer(t, portal);
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: portal.url });
  const copied = async (name) => {
    await page.getByRole('button', { name }).click();
    await page.getByRole('button', { name: 'Copied' }).first().waitFor();
    return page.evaluate(() => navigator.clipboard.readText());
  };
  const glance = page.getByRole('region', { name: 'API keypairs' });
  await glance.getByText('You have no keypairs').waitFor();

  await openKeypairs(page);
  await page.getByRole('button', { name: 'Create keypair' }).click();
  await inDialog(page, 'Create a keypair');
  assert.equal(await focused(page), 'label');
  await page.keyboard.type('Nightly backup');
  await page.keyboard.press('Enter');
  await inDialog(page, 'Keep the secret key now');
  await picture(page, 'keypair-secret');
  const first = { accessKey: await copied('Copy API Key'), secretKey: await copied('Copy Secret Key') };
  assert.match(first.accessKey, /^\w{20}$/);
  assert.match(first.secretKey, /^\w{40}$/);
  assert.deepEqual(await page.locator('.secret').allTextContents(), Object.values(first));
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'I have kept it' }).click();
  await inDialog(page, 'API keypairs');
  assert.ok(!(await page.content()).includes(first.secretKey), 'shown once');
  const rows = page.getByRole('dialog').getByRole('listitem');
  await rows.filter({ hasText: 'Nightly backup' }).filter({ hasText: first.accessKey }).filter({ hasText: 'Active' }).filter({ hasText: 'Never used' }).waitFor();
  await picture(page, 'keypairs');
  await page.getByRole('button', { name: 'Create keypair' }).click();
  await page.getByRole('button', { name: 'Create keypair' }).click();
  await page.getByRole('alert').filter({ hasText: 'You have as many keypairs as you may' }).waitFor();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Close' }).click();
  await glance.getByText('You have one keypair.').waitFor();
  await glance.getByRole('listitem').filter({ hasText: 'Nightly backup' }).filter({ hasText: 'Active' }).waitFor();
  await page.evaluate(() => document.getElementById('keypairs-title').scrollIntoView());
  await picture(page, 'keypair-glance');

  const program = await person(t, portal);
  const logInAs = async (keypair) => {
    await program.page.goto(portal.url);
    await program.page.getByText('API', { exact: true }).click();
    await inDialog(program.page, 'Log in');
    await program.page.getByLabel('API Key', { exact: true }).fill(keypair.accessKey);
    await program.page.getByLabel('Secret Key', { exact: true }).fill(keypair.secretKey);
    await program.page.getByRole('button', { name: 'Login' }).click();
  };
  const welcome = () => program.page.getByRole('heading', { name: /^Hello/ }).waitFor();
  const refused = () => program.page.getByRole('alert').filter({ hasText: 'These login details aren’t right' }).waitFor();
  await logInAs(first);
  await welcome();
  await openKeypairs(program.page);
  await program.page.getByText('look at them here but change none').waitFor();
  await program.page.getByRole('dialog').getByText('Last used just now').waitFor();
  assert.equal(await program.page.getByRole('dialog').getByRole('button').count(), 1, 'it may close the dialog');
  await program.page.keyboard.press('Escape');
  await logOut(program.page);

  await openKeypairs(page);
  await page.getByRole('button', { name: 'Switch off Nightly backup' }).click();
  await rows.filter({ hasText: 'Off' }).getByRole('button', { name: 'Switch on Nightly backup' }).waitFor();
  await logInAs(first);
  await refused();
  await page.getByRole('button', { name: 'Switch on Nightly backup' }).click();
  await page.getByRole('button', { name: 'Switch off Nightly backup' }).waitFor();

  await page.getByRole('button', { name: 'Rotate Nightly backup' }).click();
  await inDialog(page, 'Rotate this keypair?');
  await page.getByRole('button', { name: 'Rotate', exact: true }).click();
  await inDialog(page, 'Keep the secret key now');
  const second = { accessKey: await copied('Copy API Key'), secretKey: await copied('Copy Secret Key') };
  assert.notEqual(second.accessKey, first.accessKey);
  await page.getByRole('button', { name: 'I have kept it' }).click();
  await rows.filter({ hasText: first.accessKey }).filter({ hasText: 'Rotated, works until' }).waitFor();
  for (const keypair of [first, second]) {
    await logInAs(keypair);
    await welcome();
    await logOut(program.page);
  }

  const remove = () => rows.filter({ hasText: second.accessKey }).getByRole('button', { name: 'Delete Nightly backup' }).click();
  await remove();
  await inDialog(page, 'Delete this keypair?');
  await picture(page, 'keypair-delete');
  await page.getByRole('button', { name: 'Cancel' }).click();
  await inDialog(page, 'API keypairs');
  await remove();
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await rows.filter({ hasText: second.accessKey }).waitFor({ state: 'detached' });
  await rows.filter({ hasText: first.accessKey }).waitFor();
  await logInAs(second);
  await refused();
});

test('making a keypair asks for the password when the login was a while ago', async (t) => {
  const portal = await startPortal(t, '[session]\nfresh_proof = "1s"\n');
  const { page } = await newcomer(t, portal);
  await openKeypairs(page);
  await page.getByRole('button', { name: 'Create keypair' }).click();
  await page.waitForTimeout(1_500);
  await page.getByRole('button', { name: 'Create keypair' }).click();
  await inDialog(page, 'Confirm that it’s you');
  await page.getByRole('dialog', { name: 'Confirm that it’s you' }).getByRole('button', { name: 'Cancel' }).click();
  await inDialog(page, 'Create a keypair');
  await page.getByRole('button', { name: 'Create keypair' }).click();
  await inDialog(page, 'Confirm that it’s you');
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press('Enter');
  await inDialog(page, 'Keep the secret key now');
  await page.getByRole('button', { name: 'I have kept it' }).click();
  await page.getByRole('dialog').getByRole('listitem').filter({ hasText: 'Without a name' }).waitFor();
});

test('on a phone, in the dark and in Korean the keypairs fit', async (t) => {
  const portal = await startPortal(t, BOTH_MODES);
  const { page } = await person(t, portal, { viewport: PHONE, colorScheme: 'dark' });
  const fits = async () => assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth && [...document.querySelectorAll('dialog')].every((each) => each.scrollWidth <= each.clientWidth)), 'no horizontal scroll');
  await becomeMember(page, portal, 'ada@example.org');
  await page.getByText('API', { exact: true }).click();
  await page.getByLabel('API Key', { exact: true }).waitFor();
  await fits();
  await picture(page, 'api-mode-phone');
  await page.getByText('Session', { exact: true }).click();
  await logIn(page, 'ada@example.org');
  await page.getByRole('heading', { name: /^Hello/ }).waitFor();
  await page.getByRole('button', { name: /^User menu/ }).click();
  await page.getByLabel('Language').selectOption('ko');
  await page.getByRole('button', { name: '키페어 관리' }).click();
  await page.getByRole('button', { name: '키페어 만들기' }).click();
  await page.getByLabel('이름').fill('A program with rather a long name that says where it runs');
  await page.getByRole('button', { name: '키페어 만들기' }).click();
  await inDialog(page, '지금 비밀 키를 보관하세요');
  await fits();
  await picture(page, 'keypair-secret-phone');
  await page.getByRole('button', { name: '보관했습니다' }).click();
  await page.getByRole('dialog').getByRole('listitem').waitFor();
  await fits();
  await picture(page, 'keypairs-phone');
});

test('the mode is asked for where the policy offers both, and the only one is taken without asking', async (t) => {
  for (const [modes, selector, label] of [['"session", "api"', 1, 'E-mail or username'], ['"session"', 0, 'E-mail or username'], ['"api"', 0, 'API Key']]) {
    const portal = await startPortal(t, `[login]\nmodes = [${modes}]\n`);
    const { page } = await person(t, portal);
    await page.goto(portal.url);
    await inDialog(page, 'Log in');
    await page.getByLabel(label, { exact: true }).waitFor();
    assert.equal(await page.getByRole('group', { name: 'Connection mode' }).count(), selector, modes);
  }
});

async function openKeypairs(page) {
  await page.getByRole('button', { name: /^User menu/ }).click();
  await page.getByRole('banner').getByRole('button', { name: 'API keypairs' }).click();
  await inDialog(page, 'API keypairs');
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).waitFor();
}
