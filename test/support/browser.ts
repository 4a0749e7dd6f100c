import { execFileSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, expect } from '@jest/globals';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

/** Debian's chromium; elsewhere a Chrome of the same engine. */
const programs = ['chromium', 'chromium-browser', 'google-chrome'];

function findChromium(): string {
  for (const program of programs)
    try {
      return execFileSync('which', [program], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim();
    } catch {
      // The next one.
    }
  throw new Error('chromium is not on the PATH: run node test/support/ensure-programs.mjs');
}

export const launchChromium = (): Promise<Browser> =>
  chromium.launch({
    executablePath: findChromium(),
    // The sandbox of Chromium refuses root.
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });

export interface BrowserTestBed {
  /** A page of its own, with cookies of its own, on an address of a console. */
  open(url: string, options?: BrowserContextOptions & { readonly expectErrors?: boolean }): Promise<Page>;
}

/** Collects what breaks the content security policy, in the page itself. */
const collectViolations = `
  globalThis.violations = [];
  addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sample }) =>
    globalThis.violations.push(violatedDirective + ' ' + blockedURI + ' ' + sample));
`;

/**
 * One Chromium for the tests of a file. After each test its pages are closed; none of them may have thrown, or broken the
 * content security policy.
 */
export function browserTestBed(): BrowserTestBed {
  let browser: Browser;
  const pages: Page[] = [];
  const errors: string[] = [];
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterEach(async () => {
    const violations = await Promise.all(pages.map((page) => page.evaluate('globalThis.violations')));
    const thrown = errors.splice(0);
    for (const page of pages.splice(0)) await page.context().close();
    expect(violations.flat()).toEqual([]);
    expect(thrown).toEqual([]);
  });
  afterAll(() => browser.close());
  return {
    async open(url, { expectErrors = false, ...options } = {}) {
      const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
      await context.addInitScript(collectViolations);
      const page = await context.newPage();
      page.setDefaultTimeout(60_000);
      page.on('pageerror', (error) => errors.push(error.message));
      // A refused request is a line here as well.
      if (!expectErrors) page.on('console', (line) => line.type() === 'error' && errors.push(line.text()));
      pages.push(page);
      await page.goto(url);
      return page;
    },
  };
}
