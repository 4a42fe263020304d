import type { HintProblem } from './hints.ts';

/** Something about a pod that is not as its owner wants it. Each is reported once of a pod. */
export type PodProblem =
  | ({ readonly kind: 'bad_annotation'; readonly pod: string } & HintProblem)
  /** Neither its labels, its annotations nor its engine say which model it serves: it gets no requests. */
  | { readonly kind: 'no_model'; readonly pod: string }
  /** Its label or annotation names a model that its engine does not serve. */
  | {
      readonly kind: 'model_not_served';
      readonly pod: string;
      readonly model: string;
      readonly served: readonly string[];
    }
  /** No engine can be there: it gets no requests. */
  | { readonly kind: 'impossible_address'; readonly pod: string; readonly ip: string; readonly what: string }
  /** Another pod is there already: this one gets no requests. */
  | {
      readonly kind: 'shared_address';
      readonly pod: string;
      readonly endpoint: string;
      readonly with: string;
    };
