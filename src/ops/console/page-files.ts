/** The console's page: files that are served as they are, with what keeps a browser from loading or running anything else. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { type AdminExchange, send, sendJson } from '../admin/route.ts';

/** At the root of the package, beside `src/` and `dist/`. */
const FOLDER = new URL('../../../console/', import.meta.url);
const OWN_FILE = /^[a-z][a-z-]*\.(js|css|svg)$/;
const TYPES: Readonly<Record<string, string>> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};
const UPLOT: Readonly<Record<string, string>> = {
  'uplot.js': 'uplot/dist/uPlot.iife.min.js',
  'uplot.css': 'uplot/dist/uPlot.min.css',
};

/** Scripts and styles are files of this port, text can become no markup (Trusted Types), and no other site shows the page in a frame. */
const HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
};

/** Answers `/`. */
export async function answerPage({ response }: AdminExchange): Promise<void> {
  const page = await readFile(new URL('index.html', FOLDER));
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
  send(response, 200, 'text/html; charset=utf-8', page);
}

/** Answers `/console/<file>`. */
export async function answerFile({ response, rest }: AdminExchange): Promise<void> {
  const content = await contentOf(rest);
  if (content === undefined) sendJson(response, 404, { error: 'not found' });
  else send(response, 200, TYPES[rest.slice(rest.lastIndexOf('.') + 1)]!, content);
}

async function contentOf(name: string): Promise<Buffer | undefined> {
  if (Object.hasOwn(UPLOT, name)) return readFile(createRequire(import.meta.url).resolve(UPLOT[name]!));
  if (!OWN_FILE.test(name)) return undefined;
  return readFile(new URL(name, FOLDER)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}
