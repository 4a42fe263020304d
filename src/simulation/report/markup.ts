const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text in HTML or SVG, also within an attribute. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, character => ENTITIES[character]!);
}
