/** What a check has to say: one line of the report. */

/** `skip`: it could not be looked at, or need not be; why is in `saw`. */
export type Status = 'ok' | 'warn' | 'fail' | 'skip';

export type Finding =
  | { readonly status: 'ok' | 'skip'; readonly check: string; readonly saw: string }
  | {
      readonly status: 'warn' | 'fail';
      readonly check: string;
      /** Which problem; stable, and a row of docs/doctor.md. */
      readonly problem: string;
      readonly saw: string;
      /** What to do. */
      readonly advice: string;
    };

/** A problem that a check can find. */
export interface Problem {
  /** `fail`: requests are lost or served cold because of it, or may be. */
  readonly status: 'warn' | 'fail';
  readonly check: string;
  /** In docs/doctor.md: what it means. */
  readonly means: string;
  /** What to do. */
  readonly advice: string;
}

/** What is looked at, and what was found of it: a section of the report. */
export interface Section {
  readonly kind: 'discovery' | 'pod' | 'fleet' | 'envoy' | 'router';
  /** Name of the pod, of Envoy's filter, or the address; '' where the kind says it all. */
  readonly name: string;
  /** Beside the name, for people. */
  readonly detail: string;
  readonly findings: readonly Finding[];
}

export function ok(check: string, saw: string): Finding {
  return { status: 'ok', check, saw };
}

export function skip(check: string, saw: string): Finding {
  return { status: 'skip', check, saw };
}

/** How the problems of `table` become findings. `saw` begins with what is wrong, and says nothing secret. */
export function findingsOf<Name extends string>(table: Readonly<Record<Name, Problem>>) {
  return (problem: Name, saw: string): Finding => {
    const { status, check, advice } = table[problem];
    return { status, check, problem, saw, advice };
  };
}
