// The portal as a person sees it: a browser, the program, its mail files. Needs two things from the environment:
// PORTAL_BIN, the program (`cargo build -p doorwarden-portal` makes target/debug/doorwarden-portal), and
// CHROMIUM, the browser (default /usr/bin/chromium).
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before } from 'node:test';

const PORTAL = process.env.PORTAL_BIN;
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const PATIENCE = 20_000;
export const PASSWORD = 'correct horse 9!';
export const PHONE = { width: 390, height: 844 };
let browser;

before(async () => {
  assert.ok(PORTAL && existsSync(PORTAL), 'PORTAL_BIN must name the portal: cargo build -p doorwarden-portal, then PORTAL_BIN=target/debug/doorwarden-portal');
  assert.ok(existsSync(CHROMIUM), `no browser at ${CHROMIUM}: apt-get install chromium, or set CHROMIUM`);
  const { chromium } = await import('playwright-core').catch(() => assert.fail('playwright-core is missing: npm ci in examples/portal/tests/browser'));
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
});
after(() => browser?.close());

/** Starts the portal with its data in a directory of its own; `config` is the text of its file. */
export async function startPortal(t, config) {
  const data = mkdtempSync(join(tmpdir(), 'portal-'));
  const args = ['--listen', '127.0.0.1:0', '--data', data];
  if (config) {
    writeFileSync(join(data, 'doorwarden.toml'), config);
    args.push('--config', join(data, 'doorwarden.toml'));
  }
  const child = spawn(resolve(PORTAL), args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: data });
  const gone = new Promise((settle) => child.once('exit', settle));
  t.after(async () => {
    child.kill('SIGTERM');
    await gone;
    rmSync(data, { recursive: true, force: true });
  });

  let said = '';
  child.stderr.on('data', (chunk) => { said += chunk; });
  const portal = await new Promise((settle, fail) => {
    let firstAdministrator = null;
    createInterface({ input: child.stdout }).on('line', (line) => {
      said += `${line}\n`;
      firstAdministrator ??= line.match(/https?:\/\/\S+\/first-administrator\?token=[\w-]+/)?.[0] ?? null;
      const url = line.match(/^listening on (http:\/\/\S+)$/)?.[1];
      if (url) settle({ url, firstAdministrator });
    });
    gone.then((status) => fail(new Error(`the portal ended with status ${status}:\n${said}`)));
  });
  return { ...portal, mailedLink: (kind) => mailedLink(join(data, 'mail'), kind) };
}

/** The link in the newest mail of a kind, of those that have one. The file is there before the reply that promises it. */
async function mailedLink(folder, kind) {
  const files = readdirSync(folder).filter((name) => name.includes(`-${kind}-`) && name.endsWith('.eml')).sort();
  assert.ok(files.length, `a ${kind} mail in ${folder}`);
  const links = files.map((name) => plainText(readFileSync(join(folder, name), 'utf8')).match(/https?:\/\/\S+\?token=[\w.~-]+/)?.[0]);
  const link = links.findLast(Boolean);
  assert.ok(link, `a link in ${files}`);
  return link;
}

/** The first plain-text part of an RFC 5322 message, decoded. */
function plainText(mail) {
  const [head, ...rest] = mail.split(/\r?\n\r?\n/);
  const body = rest.join('\n\n');
  const boundary = head.match(/boundary="?([^"\r\n;]+)/i)?.[1];
  if (boundary) return plainText(body.split(`--${boundary}`).find((part) => /content-type:\s*(text\/plain|multipart)/i.test(part)).trimStart());
  if (/transfer-encoding:\s*base64/i.test(head)) return Buffer.from(body, 'base64').toString();
  if (!/transfer-encoding:\s*quoted-printable/i.test(head)) return body;
  return body.replace(/=\r?\n/g, '').replace(/=([0-9A-F]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
}

/** A browser of its own, which must stay without errors, violations and requests to others. */
export async function person(t, portal, options = {}) {
  const context = await browser.newContext({ locale: 'en-US', reducedMotion: 'reduce', ...options });
  context.setDefaultTimeout(PATIENCE);
  const wrong = [];
  context.on('request', (request) => !request.url().startsWith(`${portal.url}/`) && wrong.push(`request to ${request.url()}`));
  context.on('weberror', (event) => wrong.push(String(event.error().stack)));
  context.on('console', (message) => {
    // The browser's own line for a refused API call isn't an error of the page.
    const refused = message.text().startsWith('Failed to load resource') && message.location().url.startsWith(`${portal.url}/auth/`);
    if (['error', 'warning'].includes(message.type()) && !refused) wrong.push(message.text());
  });
  t.after(async () => {
    await context.close();
    assert.deepEqual(wrong, []);
  });
  return { context, page: await context.newPage() };
}

/** A person with an account, logged in. */
export async function newcomer(t, portal, email = 'ada@example.org') {
  const someone = await person(t, portal);
  await becomeMember(someone.page, portal, email);
  await logIn(someone.page, email);
  await someone.page.getByRole('heading', { name: /^Hello/ }).waitFor();
  return { ...someone, email };
}

/** The first administrator, logged in. */
export async function administrator(t, portal, options) {
  const someone = await person(t, portal, options);
  const { page } = someone;
  const email = 'root@example.org';
  await page.goto(portal.firstAdministrator);
  await page.getByLabel('E-mail', { exact: true }).fill(email);
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Create the account' }).click();
  await logIn(page, email);
  await page.getByRole('heading', { name: /^Hello/ }).waitFor();
  return { ...someone, email };
}

export async function signUp(page, portal, email) {
  await page.goto(portal.url);
  await page.getByRole('button', { name: 'Sign up' }).click();
  await inDialog(page, 'Sign up');
  await page.getByLabel('E-mail', { exact: true }).fill(email);
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign up' }).click();
  await inDialog(page, 'Check your mail');
}

/** Signs up and confirms; ends at the login dialog. */
export async function becomeMember(page, portal, email) {
  await signUp(page, portal, email);
  await page.goto(await portal.mailedLink('verify-email'));
  await page.getByRole('button', { name: 'Confirm' }).click();
  await page.getByText('Your e-mail address is confirmed').waitFor();
}

export async function logIn(page, identifier, password = PASSWORD) {
  await page.getByLabel('E-mail or username').fill(identifier);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Login' }).click();
}

export async function logOut(page) {
  await page.getByRole('button', { name: /^User menu/ }).click();
  await page.getByRole('button', { name: 'Log Out' }).click();
  await inDialog(page, 'Log in');
}

/** Waits for the dialog and checks that the focus is in it and that everything in it has a name. */
export async function inDialog(page, name) {
  const dialog = page.getByRole('dialog', { name, exact: true }).or(page.getByRole('alertdialog', { name, exact: true }));
  await dialog.waitFor();
  await dialog.filter({ has: page.locator(':focus') }).waitFor().catch(() => assert.fail(`the focus isn't in “${name}”`));
  await labelled(page);
}

export async function labelled(page) {
  const nameless = await page.evaluate(() => [...document.querySelectorAll('input, select, button, a')]
    .filter((element) => element.checkVisibility() && !element.labels?.length && !element.getAttribute('aria-label') && !element.textContent.trim())
    .map((element) => element.outerHTML));
  assert.deepEqual(nameless, [], 'every control has a name');
}

/** Keeps a picture for whoever asks for them by naming a directory in PICTURES. */
export async function picture(page, name) {
  if (process.env.PICTURES) await page.screenshot({ path: join(process.env.PICTURES, `${name}.png`) });
}

/** The focused element by its name attribute or label. */
export const focused = (page) => page.evaluate(() => document.activeElement.name || document.activeElement.ariaLabel || document.activeElement.textContent);
