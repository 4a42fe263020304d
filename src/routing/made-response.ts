/** Responses of `/v1/responses` that later requests name: who names one, and who makes one. */
import { endpointOf, type Pod } from '../domain.ts';
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
  /** @param server undefined: no pod that is known */
  answered(server: Pod | undefined): void;
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
  let owner: Pod | undefined = pod;
  return {
    answered(server) {
      owner = server;
    },
    readAnswer(part) {
      const id = reader.read(part);
      if (id !== undefined && owner !== undefined) owners.made(id, endpointOf(owner), how);
      return reader.isDone ? 'enough' : 'more';
    },
  };
}
