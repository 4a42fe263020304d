/**
 * Tools as templates see them: as vLLM's `ChatCompletionToolsParam` and `FunctionDefinition` write themselves
 * (entrypoints/openai/chat_completion/protocol.py, entrypoints/generate/base/protocol.py, 0.32).
 */
import { isObject, isPresent, type Json } from '../../prompt/exact-json.ts';

/** Shows tools, and keeps what it has shown: bodies share their tools (`prompt/known`). */
export class ShownTools {
  readonly #shown = new WeakMap<object, readonly Json[] | undefined>();

  /** undefined: it is not known how they are shown. `null`: there are none. */
  of(tools: unknown): readonly Json[] | null | undefined {
    if (!isPresent(tools)) return null;
    if (!Array.isArray(tools)) return undefined;
    if (!this.#shown.has(tools)) this.#shown.set(tools, shownTools(tools));
    return this.#shown.get(tools);
  }
}

function shownTools(tools: readonly unknown[]): readonly Json[] | undefined {
  const shown = tools.map(shownTool);
  return shown.includes(undefined) ? undefined : (shown as Json[]);
}

function shownTool(tool: unknown): Json | undefined {
  if (!isObject(tool) || !isObject(tool.function)) return undefined;
  const { type = 'function', defer_loading: deferred = null } = tool;
  const { name, description = null, parameters = null, strict = null } = tool.function;
  const ofFunction = tool.function.defer_loading ?? deferred;
  if (type !== 'function' || typeof name !== 'string') return undefined;
  if (description !== null && typeof description !== 'string') return undefined;
  if (parameters !== null && !isObject(parameters)) return undefined;
  // Others are converted: "yes" is true.
  if (![strict, deferred, ofFunction].every(each => each === null || typeof each === 'boolean'))
    return undefined;
  return {
    type,
    function: {
      ...{ name, description, parameters },
      ...(strict !== null && { strict }),
      ...(ofFunction !== null && { defer_loading: ofFunction }),
    },
    ...(deferred !== null && { defer_loading: deferred }),
  };
}
