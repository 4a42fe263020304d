/** Light, dark, or as the system says. */

const NEXT = /** @type {const} */ ({ system: 'light', light: 'dark', dark: 'system' });
const NAMES = { system: 'as system', light: 'light', dark: 'dark' };

/** @param {HTMLButtonElement} button changes it @param {() => void} onChange colours are other ones now */
export function followTheme(button, onChange) {
  const root = document.documentElement;
  const chosen = () => /** @type {keyof typeof NEXT} */ (root.dataset.theme ?? 'system');
  const label = () => {
    button.textContent = `Theme: ${NAMES[chosen()]}`;
  };
  button.addEventListener('click', () => {
    const theme = NEXT[chosen()];
    if (theme === 'system') delete root.dataset.theme;
    else root.dataset.theme = theme;
    remember(theme);
    label();
    onChange();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', onChange);
  label();
}

/** @param {string} theme */
function remember(theme) {
  try {
    localStorage.setItem('warmroute-theme', theme);
  } catch {
    // As in early-theme.js: then it is forgotten.
  }
}
