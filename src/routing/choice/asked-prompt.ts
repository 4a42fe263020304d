import { ANY_MODEL } from '../../domain.ts';
import type { PodRegistry } from '../../pods/registry.ts';
import { type ParsedPrompt, type PromptRequest, promptWithout } from '../../prompt/request.ts';
import type { RouteRequest } from '../route-request.ts';

export interface AskedPromptParts {
  readonly parse: (
    path: string,
    contentType: string | undefined,
    body: Uint8Array,
    defaultModel: string | undefined,
  ) => ParsedPrompt;
  /** The model that a body names, when only its beginning is there. */
  readonly modelAtStart: (body: Uint8Array) => string | undefined;
  readonly registry: Pick<PodRegistry, 'onlyModel' | 'knows'>;
}

/** What a request asks for, as far as its body is there. `undecided`: not even the model is known. */
export function askedPrompt(
  request: RouteRequest,
  parts: AskedPromptParts,
): ParsedPrompt | { readonly kind: 'undecided' } {
  const { path, contentType, body, extent } = request;
  const { parse, registry } = parts;
  const asked =
    extent === 'whole' ? parse(path, contentType, body, registry.onlyModel) : beginningOf(request, parts);
  return asked.kind === 'prompt' ? { ...asked, prompt: withAdapter(asked.prompt, registry) } : asked;
}

/** Without the model any pod will do if all serve the same, as those behind one InferencePool do. */
function beginningOf(
  { path, body, extent }: RouteRequest,
  { modelAtStart, registry }: AskedPromptParts,
): ParsedPrompt | { readonly kind: 'undecided' } {
  const named = [modelAtStart(body), registry.onlyModel];
  const model =
    extent === 'any_pod'
      ? (named.find(name => name !== undefined && registry.knows(name)) ?? ANY_MODEL)
      : (named[0] ?? named[1]);
  return model === undefined ? { kind: 'undecided' } : { kind: 'prompt', prompt: promptWithout(path, model) };
}

/** SGLang's `base:adapter`, where that is no model's name. */
function withAdapter(prompt: PromptRequest, registry: AskedPromptParts['registry']): PromptRequest {
  const { model } = prompt;
  const colon = model.lastIndexOf(':');
  if (colon <= 0 || colon === model.length - 1 || registry.knows(model)) return prompt;
  if (!registry.knows(model.slice(0, colon))) return prompt;
  return { ...prompt, model: model.slice(0, colon), adapter: model.slice(colon + 1) };
}
