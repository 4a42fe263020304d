import type { BlockLanes, EngineLanes } from '../domain.ts';
import { copyLanes, type EngineHashes } from './engine-hashes.ts';
import { type Arena, LINE, LINE_SHIFT } from './memory/arena.ts';
import type { RunMap } from './run-map.ts';

/** Lines for a chain that grows by a few blocks at a time. */
const LINES_TO_GROW = 4;

/** Blocks that nobody holds yet: a part of a chain. */
export interface NewBlocks {
  readonly lanes: BlockLanes;
  readonly engineHashes: EngineLanes | undefined;
  /** The first one's place in the chain, and how many they are. */
  readonly from: number;
  readonly count: number;
}

/** Consecutive positions for new blocks; of the lines behind those in use some are kept for what will follow. */
interface Room {
  readonly first: number;
  readonly count: number;
  readonly linesKept: number;
}

/** Finds room for new blocks, right behind what they follow where it can, and makes runs of them. */
export class ChainWriter {
  readonly #arena: Arena;
  readonly #runs: RunMap;
  readonly #engineHashes: EngineHashes;
  /** Blocks written that nothing could remove again, as their engine hashes do not tell them apart. Who reads it empties it. */
  readonly refused: number[] = [];

  constructor(arena: Arena, runs: RunMap, engineHashes: EngineHashes) {
    this.#arena = arena;
    this.#runs = runs;
    this.#engineHashes = engineHashes;
  }

  /**
   * Writes blocks that follow the one at `position`, 0 for none, and calls back with where each part of them is.
   * @returns the position of the last one; 0 if there was no room for all
   */
  write(
    holder: number,
    position: number,
    blocks: NewBlocks,
    written: (first: number, count: number) => void,
  ): number {
    const { sets } = this.#runs;
    let last = position;
    /** The run that the next part joins on to, 0 for none. */
    let run = this.#openRunAt(position);
    for (let done = 0; done < blocks.count; ) {
      const left = blocks.count - done;
      const room = (run === 0 ? undefined : this.#roomBehind(last, left)) ?? this.#roomAnywhere(left, last);
      if (room === undefined) return 0;
      const { first, count } = room;
      this.#fill(room, blocks, blocks.from + done);
      if (first !== last + 1) run = 0;
      if (run !== 0 && sets.count(run) === 1 && sets.has(run, holder)) this.#runs.extend(run, count);
      else {
        run = this.#runs.create(first, count, run, last);
        sets.add(run, holder);
      }
      written(first, count);
      last = first + count - 1;
      done += count;
    }
    return last;
  }

  /** The run whose last block is at a position, if nothing of its chain lies behind it. */
  #openRunAt(position: number): number {
    const run = position === 0 ? 0 : this.#runs.at(position);
    return run !== 0 && position === this.#runs.end(run) - 1 && this.#runs.next(run) === 0 ? run : 0;
  }

  #roomBehind(position: number, wanted: number): Room | undefined {
    const first = position + 1;
    const lineEnd = (first + LINE - 1) & -LINE;
    // Of a chain with a hole, what lies behind that is in the way.
    let end = this.#runs.startFrom(first, lineEnd);
    while (end - first < wanted && (end & (LINE - 1)) === 0 && this.#arena.take(end >> LINE_SHIFT)) {
      this.#arena.reserve(end >> LINE_SHIFT, 1);
      end += LINE;
    }
    return end === first ? undefined : { first, count: Math.min(wanted, end - first), linesKept: 0 };
  }

  #roomAnywhere(wanted: number, position: number): Room | undefined {
    const grows = position !== 0 && wanted < LINE;
    const extent = this.#arena.allocate(grows ? LINES_TO_GROW : Math.ceil(wanted / LINE));
    if (extent === undefined) return undefined;
    const count = Math.min(wanted, extent.lines << LINE_SHIFT);
    return { first: extent.line << LINE_SHIFT, count, linesKept: extent.lines - Math.ceil(count / LINE) };
  }

  #fill({ first, count, linesKept }: Room, { lanes, engineHashes }: NewBlocks, from: number): void {
    const { ours, engines } = this.#arena;
    copyLanes(lanes, from, ours, first, count);
    this.#arena.occupy(first, count);
    this.#arena.reserve(1 + ((first + count - 1) >> LINE_SHIFT), linesKept);
    if (engineHashes === undefined) engines.fill(0, 2 * first, 2 * (first + count));
    else this.refused.push(...this.#engineHashes.announceNew(first, count, engineHashes, from));
  }
}
