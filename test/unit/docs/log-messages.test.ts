import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import ts from 'typescript';
import { eventLines } from '../../../src/gate/story.ts';
import { root } from './documents.ts';

const levels = ['info', 'warn', 'error', 'fatal'];

/** A text of the program: the parts that vary as an ellipsis, adjoining literals as one. */
function textOf(node: ts.Node): string | undefined {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isTemplateExpression(node))
    return node.templateSpans.reduce((text, { literal }) => `${text}…${literal.text}`, node.head.text);
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken) {
    const [left, right] = [textOf(node.left), textOf(node.right)];
    return left === undefined || right === undefined ? undefined : left + right;
  }
  return undefined;
}

const choices = (node: ts.Expression): ts.Expression[] =>
  ts.isConditionalExpression(node) ? [node.whenTrue, node.whenFalse] : [node];

const isLogCall = (node: ts.CallExpression): boolean =>
  ts.isPropertyAccessExpression(node.expression) &&
  levels.includes(node.expression.name.text) &&
  /log\??$/i.test(node.expression.expression.getText());

const texts = new Set<string>();
const logged = new Set<string>();

function collect(node: ts.Node): void {
  const text = textOf(node);
  if (text !== undefined) texts.add(text);
  if (ts.isCallExpression(node) && isLogCall(node)) {
    const [, message] = node.arguments;
    for (const each of message === undefined ? [] : choices(message)) {
      const one = textOf(each);
      if (one !== undefined) logged.add(one);
    }
  }
  ts.forEachChild(node, collect);
}

for (const { level, text } of Object.values(eventLines)) if (level === 'info') logged.add(text);

for (const folder of ['src', 'middleware'])
  for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts')) continue;
    const content = readFileSync(join(root, folder, name), 'utf8');
    collect(ts.createSourceFile(name, content, ts.ScriptTarget.Latest, true));
  }

const page = readFileSync(join(root, 'docs/operate/log.md'), 'utf8');
const listed = [...page.matchAll(/^\| `(.+?)`\s+\| (?:info|warn|error)\s+\|/gm)].map(([, text = '']) => text);

test('the page lists every message of the program but those for developers', () => {
  expect(logged.size).toBeGreaterThan(50);
  const shown = (text: string): boolean => listed.includes(text) || page.includes(`\`${text}\``);
  expect([...logged].filter((text) => !shown(text))).toEqual([]);
});

test('the page lists no message twice, and none that the program does not have', () => {
  expect(listed.filter((text, index) => listed.indexOf(text) < index)).toEqual([]);
  expect(listed.filter((text) => !texts.has(text))).toEqual([]);
});
