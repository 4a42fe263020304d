import { stringAtStart } from './string-at-start.ts';

const MODEL = ['model'];

/**
 * The model that a JSON body names, when only its beginning is there. undefined: it has not come yet, or is none. What follows
 * might name another one, which no client does on purpose.
 */
export function modelAtStart(beginning: Uint8Array): string | undefined {
  return stringAtStart(beginning, MODEL);
}
