/** Developers' messages for templates that do not know them (vLLM, renderers/hf.py, `_convert_developer_to_system`, 0.32). */
import { isObject, type Json } from '../../prompt/exact-json.ts';

/** As they are where there are none; else as the system's, and all of the system's in one message at the start. */
export function withoutDeveloper(messages: readonly Json[]): readonly Json[] {
  if (!messages.some(({ role }) => role === 'developer')) return messages;
  const converted = messages.map(message => {
    if (message.role !== 'developer') return message;
    const { tools: _, ...others } = message;
    return { ...others, role: 'system' };
  });
  const isInOrder = converted.every(({ role }, i) => role !== 'system' || i === 0);
  if (isInOrder) return converted;
  const texts = converted
    .filter(({ role }) => role === 'system')
    .map(({ content }) => systemText(content))
    .filter(text => text !== '');
  return [
    { role: 'system', content: texts.join('\n\n') },
    ...converted.filter(({ role }) => role !== 'system'),
  ];
}

function systemText(content: unknown): string {
  if (!Array.isArray(content)) return typeof content === 'string' ? content : '';
  return content.flatMap(part => (isObject(part) && 'text' in part ? [part.text] : [])).join('\n');
}
