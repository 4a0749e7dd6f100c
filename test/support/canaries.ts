import { randomBytes } from 'node:crypto';

export interface Finding {
  readonly where: string;
  readonly canary: string;
  readonly form: string;
  /** The text around it. */
  readonly context: string;
}

/** Secrets that are made to be found again, wherever and however encoded they come to light. */
export class Canaries {
  readonly #forms = new Map<string, readonly (readonly [form: string, text: string])[]>();

  /** A new secret that cannot be anything else. */
  make(name: string): string {
    return this.add(name, `canary ${name} ${randomBytes(9).toString('hex')}/+`);
  }

  /** The same without a character that could not stand in a token, a header or a path. */
  word(name: string): string {
    return this.add(name, `canary-${name.replace(/\W/g, '-')}-${randomBytes(9).toString('hex')}`);
  }

  /** A secret that was made elsewhere. */
  add(name: string, secret: string): string {
    this.#forms.set(`${name}: ${secret.slice(0, 80)}`, formsOf(secret));
    return secret;
  }

  /** A token and its payload and signature; its header alone is shared by all tokens of a key. */
  token(name: string, token: string): string {
    const [, payload = '', signature = ''] = token.split('.');
    for (const [part, text] of Object.entries({ payload, signature }))
      if (text !== '') this.add(`${name} (${part})`, text);
    return this.add(name, token);
  }

  /** The lines of a key: even one of them is too much. */
  pem(name: string, pem: string): string {
    const lines = pem.split('\n').filter((line) => line.length > 20 && !line.startsWith('-----'));
    for (const [index, line] of lines.entries()) this.add(`${name} (line ${index + 1})`, line);
    return pem;
  }

  get size(): number {
    return this.#forms.size;
  }

  /** Every secret that is there, in the first form that was found. */
  search(where: string, text: string): Finding[] {
    return [...this.#forms].flatMap(([canary, forms]) => {
      const found = forms.find(([, encoded]) => text.includes(encoded));
      if (found === undefined) return [];
      const [form, encoded] = found;
      const at = text.indexOf(encoded);
      return [{ where, canary, form, context: text.slice(Math.max(0, at - 100), at + encoded.length + 20) }];
    });
  }
}

/** How a secret may be written. Base64 of a longer text holds it at one of three offsets, whole characters only. */
function formsOf(secret: string): [form: string, text: string][] {
  const bytes = Buffer.from(secret);
  const forms: [string, string][] = [
    ['plain', secret],
    ['JSON', JSON.stringify(secret).slice(1, -1)],
    ['URL', encodeURIComponent(secret)],
    ['form', new URLSearchParams({ '': secret }).toString().slice(1)],
    ['hex', bytes.toString('hex')],
  ];
  for (const encoding of ['base64', 'base64url'] as const) {
    for (const offset of [0, 1, 2]) {
      const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString(encoding);
      const whole = Math.floor(((offset + bytes.length) * 8) / 6);
      forms.push([`${encoding} at ${offset}`, text.slice(Math.ceil((offset * 8) / 6), whole)]);
    }
  }
  return forms;
}
