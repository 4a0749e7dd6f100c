import { signIn } from '../api.ts';
import { html, useState, type VNode } from '../vendor/preact.ts';

/** For consoles that have issuers: a token proves who is there, and is not kept. */
export function SignIn({ done }: { readonly done: () => void }): VNode {
  const [token, setToken] = useState('');
  const [failure, setFailure] = useState('');
  const submit = (event: Event): void => {
    event.preventDefault();
    setFailure('');
    signIn(token.trim()).then(done, (error: unknown) => {
      setFailure(error instanceof Error ? error.message : String(error));
    });
  };
  return html`
    <main class="sign-in">
      <h1>Tallylight console</h1>
      <form onSubmit=${submit}>
        <p>
          Sign in with an access token for this console, with the role <code>Tallylight.View</code> or
          <code> Tallylight.Operate</code>.
        </p>
        <label class="field">
          <span>Access token</span>
          <input
            type="password"
            name="token"
            required
            autocomplete="off"
            value=${token}
            onInput=${({ target }: Event) => setToken((target as HTMLInputElement).value)}
          />
        </label>
        <p class="failure" role="alert">${failure}</p>
        <div class="buttons"><button class="primary" disabled=${token.trim() === ''}>Sign in</button></div>
      </form>
    </main>
  `;
}
