/** Before anything is drawn: the theme that was chosen last time. A classic script, since modules wait for the document. */
try {
  const theme = localStorage.getItem('warmroute-theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // A browser that keeps nothing for this page.
}
