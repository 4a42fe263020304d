/** Responses of `/v1/responses` that later requests name: who names one, and who makes one. */
import { type Endpoint, endpointOf, type Pod } from '../domain.ts';
import type { Answer } from '../health/pods-health.ts';
import { responseIdIn } from '../prompt/paths.ts';
import type { PromptRequest } from '../prompt/request.ts';
import { stringAtStart } from '../prompt/string-at-start.ts';
import { ResponseIdReader } from './response-id.ts';
import type { ResponseOwners } from './response-owners.ts';

const RESPONSES = '/v1/responses';
const PREVIOUS = 'previous_response_id';

/**
 * The response that a request continues, shows or cancels, which only the pod that made it can. undefined: none.
 * @param bytes the beginning of a body that was not parsed; undefined: it was
 */
export function responseNamedBy(prompt: PromptRequest, bytes: Uint8Array | undefined): string | undefined {
  const { path, body } = prompt;
  if (!path.startsWith(RESPONSES)) return undefined;
  if (path !== RESPONSES) return responseIdIn(path);
  const id = bytes === undefined ? body[PREVIOUS] : stringAtStart(bytes, [PREVIOUS]);
  return typeof id === 'string' ? id : undefined;
}

/** What is seen of an answer, see `RouteOutcome`. */
export interface MadeResponse {
  answered(answer: Answer): void;
  readAnswer(part: Uint8Array): 'more' | 'enough';
}

/**
 * Reads the id of the response that `pod` makes, or another one in its place, and remembers who made it. undefined: the request
 * makes none that is kept.
 */
export function responseMadeBy(
  prompt: PromptRequest,
  pod: Pod,
  owners: ResponseOwners,
): MadeResponse | undefined {
  if (prompt.path !== RESPONSES || prompt.body.store === false || !owners.follows(pod)) return undefined;
  const how = prompt.body.stream === true ? 'streamed' : 'whole';
  const reader = new ResponseIdReader();
  let servedBy: Endpoint | undefined;
  return {
    answered(answer) {
      servedBy = answer.servedBy;
    },
    readAnswer(part) {
      const id = reader.read(part);
      if (id !== undefined) owners.made(id, servedBy ?? endpointOf(pod), how);
      return reader.isDone ? 'enough' : 'more';
    },
  };
}
