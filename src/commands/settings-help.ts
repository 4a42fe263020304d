import { SETTINGS, type Setting, WITHOUT_EFFECT } from '../settings/settings.ts';

const WIDTH = 100;

/** All settings, for `--help`. */
export function settingsHelp(): string {
  const lines = ['', 'Environment:'];
  for (const { names, fallback, unit, purpose } of Object.values<Setting<unknown>>(SETTINGS)) {
    lines.push(`  ${names.join(', ')}`, ...wrapped(`${purpose} (${unit}; default ${fallback || 'none'})`));
  }
  lines.push('', 'Accepted, without effect:', ...WITHOUT_EFFECT.map(({ name, why }) => `  ${name}: ${why}`));
  return lines.join('\n');
}

function wrapped(text: string): string[] {
  const lines: string[] = [];
  let line = '     ';
  for (const word of text.split(' ')) {
    if (line.length + word.length >= WIDTH) {
      lines.push(line);
      line = '     ';
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}
