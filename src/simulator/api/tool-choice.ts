/** Which tool a request forces the model to call, in the three APIs that have tools, and with which arguments it does. */

import type { ToolCall } from '../chat-template.ts';
import { type ApiError, badRequest } from './api-error.ts';
import type { Body } from './http.ts';

interface Tool {
  readonly name: unknown;
  /** JSON schema of the arguments. */
  readonly schema: unknown;
}

export interface ForcedCall extends ToolCall {
  /** Named by the request, or any of its tools. */
  readonly choice: 'named' | 'any';
}

/** `/v1/chat/completions`. Throws ApiError (400). */
export function chatCall({ tools, tool_choice: choice }: Body): ForcedCall | undefined {
  if (!isForced(choice, 'required')) return undefined;
  const given = objects(tools).map(tool => tool.function as Body);
  if (given.length === 0) {
    throw badRequest('When using `tool_choice`, `tools` must be set. (parameter=tool_choice)', 'tool_choice');
  }
  const name = choice === 'required' ? undefined : ((choice as Body).function as Body | undefined)?.name;
  return forced(given.map(nameAndSchema('parameters')), name, () =>
    badRequest(
      'The tool specified in `tool_choice` does not match any of the specified `tools` (parameter=tool_choice)',
      'tool_choice',
    ),
  );
}

/** `/v1/responses`. Throws ApiError (400). */
export function responsesCall({ tools, tool_choice: choice }: Body): ForcedCall | undefined {
  if (!isForced(choice, 'required')) return undefined;
  const given = objects(tools).filter(({ type }) => type === 'function');
  if (given.length === 0) {
    throw badRequest(
      "Tool choice 'required' must be specified with 'tools' parameter. (parameter=tool_choice)",
      'tool_choice',
    );
  }
  const name = choice === 'required' ? undefined : (choice as Body).name;
  return forced(given.map(nameAndSchema('parameters')), name, () =>
    badRequest(
      "Tool choice 'function' not found in 'tools' parameter. (parameter=tool_choice)",
      'tool_choice',
    ),
  );
}

/** `/v1/messages`. Throws ApiError (400). Without tools a choice counts for nothing. */
export function messagesCall({ tools, tool_choice: choice }: Body): ForcedCall | undefined {
  const { type, name } = (choice ?? {}) as Body;
  const given = objects(tools);
  if (given.length === 0 || (type !== 'any' && type !== 'tool')) return undefined;
  return forced(given.map(nameAndSchema('input_schema')), type === 'any' ? undefined : name, () =>
    badRequest(`The tool with name '${name}' is not found in the tools list.`),
  );
}

function isForced(choice: unknown, required: string): boolean {
  return choice === required || (typeof choice === 'object' && choice !== null);
}

function objects(value: unknown): Body[] {
  return Array.isArray(value) ? (value as Body[]) : [];
}

const nameAndSchema =
  (schema: string) =>
  (tool: Body): Tool => ({ name: tool.name, schema: tool[schema] });

function forced(tools: readonly Tool[], name: unknown, unknownTool: () => ApiError): ForcedCall {
  const tool = name === undefined ? tools[0] : tools.find(each => each.name === name);
  if (tool === undefined) throw unknownTool();
  return {
    name: String(tool.name),
    arguments: JSON.stringify(exampleOf(tool.schema)),
    choice: name === undefined ? 'any' : 'named',
  };
}

/** Some value that a JSON schema allows, as far as the schemas of tools usually go. */
function exampleOf(schema: unknown): unknown {
  const { type, enum: choices, properties, items } = (schema ?? {}) as Body;
  if (Array.isArray(choices)) return choices[0];
  switch (type) {
    case 'string':
      return 'atlas';
    case 'integer':
    case 'number':
      return 7;
    case 'boolean':
      return true;
    case 'array':
      return [exampleOf(items)];
    case 'object':
      return Object.fromEntries(
        Object.entries((properties ?? {}) as Body).map(([key, each]) => [key, exampleOf(each)]),
      );
    default:
      return null;
  }
}
