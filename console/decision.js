/** One decision opened: who holds which of the prompt's blocks, and why the winner won. Its address is `#decision/<request id>`. */
import { pictureOf, titleOf } from './decision-picture.js';
import { element, setText } from './dom.js';

/** @import { DecisionRecord } from '../src/explain/record.ts' */

const FRAGMENT = '#decision/';

/** @param {{ dialog: HTMLDialogElement, title: HTMLElement, content: HTMLElement, close: HTMLButtonElement }} places */
export function followFragment({ dialog, title, content, close }) {
  let asked = '';

  async function show() {
    const id = idOf(location.hash);
    if (id === undefined) {
      dialog.close();
      return;
    }
    asked = id;
    setText(title, 'Decision');
    content.replaceChildren(element('p', { class: 'muted' }, 'Looking it up …'));
    if (!dialog.open) dialog.showModal();
    const found = await lookUp(id);
    if (asked !== id) return;
    setText(title, found.title);
    content.replaceChildren(...found.content);
    dialog.scrollTop = 0;
  }

  close.addEventListener('click', () => dialog.close());
  dialog.addEventListener('click', event => {
    // Of the backdrop, that is.
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener('close', () => {
    asked = '';
    // The address should not name what is not shown, and going back should not open it again.
    if (idOf(location.hash) !== undefined)
      history.replaceState(null, '', location.pathname + location.search);
  });
  window.addEventListener('hashchange', show);
  void show();
}

/** @param {string} hash */
function idOf(hash) {
  if (!hash.startsWith(FRAGMENT)) return undefined;
  try {
    return decodeURIComponent(hash.slice(FRAGMENT.length));
  } catch {
    return undefined;
  }
}

/** @param {string} id @returns {Promise<{ title: string, content: Node[] }>} */
async function lookUp(id) {
  // Not as a part of the path: `..` would be none.
  const query = new URLSearchParams({ id, limit: '1' });
  const response = await fetch(`debug/decisions?${query}`).catch(() => undefined);
  if (response?.ok) {
    const { decisions } = /** @type {{ decisions: DecisionRecord[] }} */ (await response.json());
    const [record] = decisions;
    if (record !== undefined) return { title: titleOf(record), content: pictureOf(record) };
  }
  const why =
    response === undefined
      ? 'The router does not answer.'
      : response.ok
        ? 'It is not among the decisions that this router remembers: another replica may have made it, or it is too long ago.'
        : `The router answered ${response.status}.`;
  return { title: `Request ${id}`, content: [element('p', {}, why)] };
}
