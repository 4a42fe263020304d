import type { Pod } from '../domain.ts';
import type { PodRegistry } from '../pods/registry.ts';
import { Slices } from '../slices.ts';

/** A part that keeps something of each pod while it is here. */
export interface PodKeeper {
  joined?(pod: Pod): void;
  /** Nothing of it may be left afterwards. */
  left?(pod: Pod): void;
  /** It is not picked for the time being, or is again. */
  becameUnready?(pod: Pod): void;
  becameReady?(pod: Pod): void;
  /** Once per change of the registry, after all of it. */
  changed?(): void;
}

/**
 * The one owner of a pod's life: it alone listens to the registry. Keepers are called in the order given when it
 * joins, and in the reverse order when it leaves, so that whoever builds on another is gone before that one. In slices: a rollout of
 * a thousand pods is too much for one turn of the event loop.
 */
export class PodLives {
  readonly #slices: Slices;
  readonly #unsubscribe: () => void;
  readonly #onUnexpected: (error: unknown) => void;

  /** @param onUnexpected what a keeper threw; the others are called all the same */
  constructor(
    registry: Pick<PodRegistry, 'subscribe'>,
    keepers: readonly PodKeeper[],
    onUnexpected: (error: unknown) => void,
  ) {
    this.#slices = new Slices(onUnexpected);
    this.#onUnexpected = onUnexpected;
    const reversed = [...keepers].reverse();
    this.#unsubscribe = registry.subscribe({
      joined: pod => this.#tell(keepers, keeper => keeper.joined?.(pod)),
      left: pod => this.#tell(reversed, keeper => keeper.left?.(pod)),
      becameUnready: pod => this.#tell(keepers, keeper => keeper.becameUnready?.(pod)),
      becameReady: pod => this.#tell(keepers, keeper => keeper.becameReady?.(pod)),
      changed: () => this.#tell(keepers, keeper => keeper.changed?.()),
    });
  }

  stop(): void {
    this.#unsubscribe();
    this.#slices.stop();
  }

  #tell(keepers: readonly PodKeeper[], what: (keeper: PodKeeper) => void): void {
    // All of them in one turn: nobody sees a pod that only some know.
    this.#slices.add(() => {
      for (const keeper of keepers) {
        try {
          what(keeper);
        } catch (error) {
          this.#onUnexpected(error);
        }
      }
    });
  }
}
