/** What vLLM finds out of a chat template by rendering it (entrypoints/anthropic/serving.py, 0.32), to convert `/v1/messages`. */

import type { TemplateTraits } from '../../prompt/chat/messages-chat.ts';
import type { Json } from '../../prompt/exact-json.ts';
import type { ChatTemplate, ChatTemplates } from './chat-templates.ts';

const SYSTEM_BETWEEN: Json = {
  messages: ['system', 'user', 'system', 'user'].map(role => ({ role, content: 't' })),
  add_generation_prompt: false,
};

const EFFORTS = ['low', 'medium', 'high', 'xhigh', 'max'] as const;

/** Renders the templates some times: once per model. */
export function traitsOf(templates: ChatTemplates): TemplateTraits {
  const { default: usual, toolUse } = templates;
  const all = toolUse === undefined ? [usual] : [usual, toolUse];
  return {
    inlineSystem: all.some(wantsSystemFirst) ? 'merge' : 'keep',
    disabledEffort: effortOfDisabled(templates),
  };
}

/** It is rendered without what chats have beside, and so a template that calls for the time unasked counts as one that refuses. */
function wantsSystemFirst(template: ChatTemplate): boolean {
  if (template.dependsOnTime && !/strftime_now is defined/.test(template.source)) return true;
  return rendered(template, SYSTEM_BETWEEN) === undefined;
}

/** `low` where the template refuses `none`, or takes it for another effort. */
function effortOfDisabled({ default: template, specialTokens }: ChatTemplates): 'none' | 'low' {
  const content = template.contentFormat === 'string' ? 'Hi' : [{ type: 'text', text: 'Hi' }];
  const renderedWith = (effort: string) =>
    rendered(template, {
      ...specialTokens,
      messages: [{ role: 'user', content }],
      ...{ tools: null, documents: null, add_generation_prompt: true },
      ...{ reasoning_effort: effort, enable_thinking: effort !== 'none' },
    });
  const none = renderedWith('none');
  return none === undefined || EFFORTS.some(effort => renderedWith(effort) === none) ? 'low' : 'none';
}

function rendered(template: ChatTemplate, variables: Json): string | undefined {
  try {
    return String(template.render(variables));
  } catch {
    return undefined;
  }
}
