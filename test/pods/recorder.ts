import type { PodRegistry } from '../../src/pods/registry.ts';

/** Collects notes and lets a test wait for one instead of for time. */
export class Recorder {
  readonly notes: string[] = [];
  #waiting: (() => void)[] = [];

  note(text: string): void {
    this.notes.push(text);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Resolves when `text` has been noted `times` times in all. */
  async until(text: string, times = 1): Promise<void> {
    while (this.notes.filter(note => note === text).length < times) {
      await new Promise<void>(resolve => this.#waiting.push(resolve));
    }
  }

  /** The notes so far, which are then forgotten. */
  take(): string[] {
    return this.notes.splice(0);
  }
}

export function recordChanges(registry: PodRegistry, recorder = new Recorder()): Recorder {
  registry.subscribe({
    joined: pod => recorder.note(`joined ${pod.name}@${pod.ip}`),
    left: pod => recorder.note(`left ${pod.name}@${pod.ip}`),
    changed: () => recorder.note('changed'),
  });
  return recorder;
}
