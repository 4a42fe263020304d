/** The course of a soak. Prints what came of it as JSON; its argument is the course, as JSON. */
import { Soak, type SoakOptions, type SoakSample } from './soak.ts';

export interface SoakCourse extends SoakOptions {
  readonly events: number;
  /** Each begins with an engine's cache being emptied, and ends with a sample. */
  readonly stages: number;
}

export interface SoakOutcome {
  readonly events: number;
  readonly milliseconds: number;
  readonly counts: Soak['counts'];
  readonly told: Readonly<Record<string, number>>;
  readonly samples: readonly SoakSample[];
  readonly differences: readonly string[];
  /** After all engines have left. */
  readonly left: SoakSample;
}

const course = JSON.parse(process.argv[2]!) as SoakCourse;
const soak = new Soak(course);
const samples: SoakSample[] = [];
const startedAt = performance.now();
for (let stage = 0; stage < course.stages; stage++) {
  soak.emptyOne(stage);
  soak.serveUntil(((stage + 1) * course.events) / course.stages);
  samples.push(await soak.sample());
}
const milliseconds = performance.now() - startedAt;
const differences = soak.differences();
const { events, counts } = soak;
const told = Object.fromEntries(soak.told);
await soak.stop();
const left = await soak.sample();
console.log(
  JSON.stringify({ events, milliseconds, counts, told, samples, differences, left } satisfies SoakOutcome),
);
