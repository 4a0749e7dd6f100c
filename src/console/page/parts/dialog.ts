import { html, useLayoutEffect, useRef, useState, type VNode } from '../vendor/preact.ts';

const longestReason = 500;

interface Props {
  readonly title: string;
  /** What the act does, and what it does not. */
  readonly children?: unknown;
  readonly confirm: string;
  /** Rejects with what to tell the operator. */
  readonly act: (reason: string) => Promise<void>;
  readonly close: () => void;
}

/** Asks for a reason before something is done that goes into the evidence. */
export function ReasonDialog({ title, children, confirm, act, close }: Props): VNode {
  const dialog = useRef<HTMLDialogElement>(null);
  const [reason, setReason] = useState('');
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState('');
  useLayoutEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    element?.showModal();
    return () => {
      element?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);

  const cancel = (event: Event): void => {
    event.preventDefault();
    close();
  };
  const submit = (event: Event): void => {
    event.preventDefault();
    if (isBusy) return;
    setBusy(true);
    setFailure('');
    act(reason.trim()).then(close, (error: unknown) => {
      setBusy(false);
      setFailure(error instanceof Error ? error.message : String(error));
    });
  };
  return html`
    <dialog ref=${dialog} aria-labelledby="dialog-title" onCancel=${cancel}>
      <form onSubmit=${submit}>
        <h2 id="dialog-title">${title}</h2>
        ${children}
        <label class="field">
          <span>Reason (goes into the evidence with your name)</span>
          <input
            name="reason"
            required
            autocomplete="off"
            maxlength=${longestReason}
            value=${reason}
            onInput=${({ target }: Event) => setReason((target as HTMLInputElement).value)}
          />
        </label>
        <p class="failure" role="alert">${failure}</p>
        <div class="buttons">
          <button type="button" onClick=${close}>Cancel</button>
          <button class="danger" disabled=${isBusy || reason.trim() === ''}>
            ${isBusy ? 'Working …' : confirm}
          </button>
        </div>
      </form>
    </dialog>
  `;
}
