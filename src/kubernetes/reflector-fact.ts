import type { KubernetesErrorKind } from './kubernetes-error.ts';

/** Why everything was listed again. */
export type RelistReason =
  /** 410, in whichever form: what happened since the last event is not known any more. */
  | 'expired'
  /** A list that took longer than its continue token lived. */
  | 'list_expired'
  /** An event that could not be read: what it said is not known. */
  | 'malformed'
  /** The API server does not take the watch as it is asked for, or fails again and again. */
  | 'refused'
  /** Watches that are accepted and then say nothing, not even a bookmark. */
  | 'silent';

/** What a reflector tells about itself. */
export type ReflectorFact =
  /** The whole set is known, from `pages` answers. */
  | { readonly kind: 'listed'; readonly objects: number; readonly pages: number; readonly tookMs: number }
  /** The API server has accepted a watch. */
  | { readonly kind: 'watching' }
  /** A watch ended and is resumed. `closed`: by the API server, or whoever stands between; `silent`: by us, after the idle limit. */
  | { readonly kind: 'watch_ended'; readonly why: 'closed' | 'silent' }
  | { readonly kind: 'relist'; readonly reason: RelistReason }
  /** Something failed; the next try is in `retryInMs`. */
  | {
      readonly kind: 'failed';
      readonly during: 'list' | 'watch';
      readonly error: KubernetesErrorKind;
      readonly message: string;
      readonly retryInMs: number;
    }
  /** A function of the caller's threw; the reflector goes on. */
  | { readonly kind: 'handler_failed'; readonly handler: 'project' | 'onChange'; readonly message: string }
  /** An answer, an event or a bookmark came, or a watch was accepted. */
  | { readonly kind: 'sign_of_life' };
