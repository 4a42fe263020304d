/**
 * A publisher, its two channels and the machine at their other end, without sockets and time: each command is one thing that
 * can happen, in any order. What the machine believes is compared with what the publisher had said.
 */
import { assert } from 'chai';
import {
  type BatchApplied,
  Fingerprints,
  INITIAL,
  type Message,
  type PublisherEffect,
  type PublisherInput,
  type PublisherRules,
  type PublisherState,
  step,
} from '../../src/events/stream/stream.ts';

/** What one batch does to the publisher's cache. */
export type Change =
  | { readonly kind: 'store' | 'remove'; readonly block: number }
  | { readonly kind: 'clear' };

interface Batch {
  /** Above 0. */
  readonly id: number;
  readonly process: Process;
  readonly sequence: number;
  readonly change: Change;
  readonly readable: boolean;
}

/** From one start of the publisher to the next. */
interface Process {
  readonly batches: Batch[];
  /** Of the oldest batch that it can replay. */
  oldest: number;
  /** How many batches its replay buffer has room for. */
  keeps: number;
}

type OnWire = Batch | 'connected' | 'disconnected';

export type Command =
  | { readonly kind: 'publish'; readonly change: Change; readonly readable: boolean }
  | { readonly kind: 'deliver'; readonly count: number }
  /** The word that a connection is there comes after what it brought first. */
  | { readonly kind: 'tell_late' }
  | { readonly kind: 'lose' | 'duplicate' | 'swap' | 'lose_replayed'; readonly at: number }
  | { readonly kind: 'restart'; readonly arriving: number; readonly toldEarly: boolean }
  | { readonly kind: 'cut'; readonly arriving: number; readonly missing: readonly Change[] }
  | { readonly kind: 'answer' }
  | { readonly kind: 'deliver_replayed'; readonly count: number }
  | { readonly kind: 'fail_replay'; readonly may: 'continue' | 'not_continue' }
  | { readonly kind: 'evict'; readonly keep: number }
  /** Batches that have waited are applied. */
  | { readonly kind: 'drain'; readonly count: number }
  | { readonly kind: 'overflow' | 'retry' | 'calm' | 'expired' };

export class SimulatedStream {
  readonly #rules: PublisherRules<Batch>;
  #process: Process = { batches: [], oldest: 0, keeps: Number.POSITIVE_INFINITY };
  #live: OnWire[] = ['connected'];
  #asked: number | undefined;
  #replayed: (Batch | 'end')[] = [];
  /** What was applied since the machine said to forget. */
  #applied: Batch[] = [];
  #lostReplayed = false;
  readonly #fingerprints = new Fingerprints<Batch>(({ id }) => id);
  #published = 0;
  requests = 0;
  state: PublisherState<Batch> = INITIAL;

  constructor(rules: Omit<PublisherRules<Batch>, 'same' | 'isEmpty'>) {
    this.#rules = { ...rules, same: (a, b) => a === b, isEmpty: () => false };
  }

  run(command: Command): void {
    switch (command.kind) {
      case 'publish':
        this.#live.push(this.#publish(command.change, command.readable));
        break;
      case 'deliver':
        for (const item of this.#live.splice(0, command.count)) this.#receive(item);
        break;
      case 'lose':
        this.#atBatch(command.at, i => this.#live.splice(i, 1));
        break;
      case 'duplicate':
        this.#atBatch(command.at, i => this.#live.splice(i, 0, this.#live[i]!));
        break;
      case 'swap':
        // Never across a connection's end: each has a queue of its own.
        this.#atBatch(command.at, i => {
          const [one, other] = [this.#live[i]!, this.#live[i + 1]];
          if (other !== undefined && typeof other !== 'string') this.#live.splice(i, 2, other, one);
        });
        break;
      case 'tell_late': {
        const at = this.#live.lastIndexOf('connected');
        const first = this.#live[at + 1];
        if (this.#rules.replay === 'none' || this.#live[at - 1] !== 'disconnected' || first === undefined)
          break;
        this.#live.splice(at, 2, first, 'connected');
        break;
      }
      case 'restart':
        this.#break(command.arriving, command.toldEarly);
        this.#process = { batches: [], oldest: 0, keeps: Number.POSITIVE_INFINITY };
        this.#live.push('connected');
        break;
      case 'cut':
        this.#break(command.arriving, false);
        for (const change of command.missing) this.#publish(change, true);
        this.#live.push('connected');
        break;
      case 'answer':
        // A process takes longer to start than the word that the one before it is gone.
        if (this.#asked === undefined || this.#live.includes('disconnected')) break;
        this.#replayed = [...this.#process.batches.slice(Math.max(this.#asked, this.#process.oldest)), 'end'];
        this.#asked = undefined;
        break;
      case 'lose_replayed':
        this.#lostReplayed ||= this.#replayed.length > 0;
        if (this.#replayed.length > 0) this.#replayed.splice(command.at % this.#replayed.length, 1);
        break;
      case 'deliver_replayed':
        for (let i = 0; i < command.count; i++) this.#receiveReplayed();
        break;
      case 'fail_replay':
        if (this.state.kind !== 'replaying') break;
        this.#endReplay();
        this.#feed({ kind: 'replay_failed', may: command.may });
        break;
      case 'evict':
        this.#process.keeps = Math.min(this.#process.keeps, command.keep);
        this.#evict();
        break;
      case 'drain':
        for (let i = 0; i < command.count && this.state.kind === 'draining'; i++)
          this.#feed({ kind: 'next' });
        break;
      case 'overflow':
      case 'retry':
      case 'calm':
      case 'expired':
        this.#feed({ kind: command.kind });
    }
  }

  /** Lets everything arrive that is under way, then one batch more, and lets the publisher answer. */
  settle(): void {
    this.run({ kind: 'deliver', count: Number.POSITIVE_INFINITY });
    this.#answerAll();
    this.run({ kind: 'retry' });
    this.#answerAll();
    this.run({ kind: 'publish', change: { kind: 'store', block: 0 }, readable: true });
    this.run({ kind: 'deliver', count: Number.POSITIVE_INFINITY });
    this.#answerAll();
    this.run({ kind: 'retry' });
    this.#answerAll();
    assert.include(['live', 'cold'], this.state.kind);
    assert.equal(
      (this.state as { next?: number }).next,
      this.#process.batches.length,
      'nothing is left to come',
    );
    assert.strictEqual(this.#applied.at(-1)?.process ?? this.#process, this.#process, 'of this process');
  }

  /** Whether a replay from the start brings everything that the present process said (one that lost its head looks evicted). */
  get mustBeLive(): boolean {
    const { oldest, batches } = this.#process;
    if (this.#lostReplayed) return false;
    return this.#rules.replay === 'available' && oldest === 0 && batches.every(({ readable }) => readable);
  }

  #publish(change: Change, readable: boolean): Batch {
    const id = ++this.#published;
    const batch = { id, process: this.#process, sequence: this.#process.batches.length, change, readable };
    this.#process.batches.push(batch);
    this.#evict();
    return batch;
  }

  #evict(): void {
    const { batches, oldest, keeps } = this.#process;
    this.#process.oldest = Math.max(oldest, batches.length - keeps);
  }

  /** Of what is under way only the first `arriving` come through; the word of it may come before them. */
  #break(arriving: number, toldEarly: boolean): void {
    const last = this.#live.lastIndexOf('connected') + 1;
    const batches = this.#live.splice(last).slice(0, arriving);
    if (toldEarly && this.#rules.replay === 'available') this.#live.push('disconnected', ...batches);
    else this.#live.push(...batches, 'disconnected');
  }

  #atBatch(at: number, change: (index: number) => void): void {
    const places = this.#live.flatMap((item, i) => (typeof item === 'string' ? [] : [i]));
    if (places.length > 0) change(places[at % places.length]!);
  }

  #receive(item: OnWire): void {
    if (typeof item === 'string') {
      this.#fingerprints.linkChanged();
      this.#feed({ kind: item });
    } else
      this.#feed({
        kind: 'live',
        message: messageOf(item),
        denied: this.#fingerprints.heard(item.sequence, item),
      });
  }

  #receiveReplayed(): void {
    const item = this.#replayed.shift();
    if (item === undefined) return;
    if (item === 'end') {
      this.#endReplay();
      this.#feed({ kind: 'replay_ended' });
      return;
    }
    const denied = this.#fingerprints.replayed(item.sequence, item);
    this.#feed({ kind: 'replayed', message: messageOf(item), denied });
  }

  #answerAll(): void {
    for (let i = 0; i < 100 && (this.#asked !== undefined || this.#replayed.length > 0); i++) {
      this.run({ kind: 'answer' });
      while (this.#replayed.length > 0) this.#receiveReplayed();
      this.run({ kind: 'drain', count: Number.POSITIVE_INFINITY });
    }
    this.run({ kind: 'drain', count: Number.POSITIVE_INFINITY });
    // Whatever was lost on its way back: a deadline.
    if (this.state.kind === 'replaying') {
      this.run({ kind: 'fail_replay', may: 'continue' });
      this.#answerAll();
    }
  }

  #endReplay(): void {
    this.#asked = undefined;
    this.#replayed = [];
  }

  #feed(input: PublisherInput<Batch>): void {
    const outcome = this.#step(input);
    if (outcome !== undefined)
      assert.isUndefined(this.#step({ kind: 'applied', outcome }), 'an answer alone applies nothing');
    this.#check();
  }

  /** What became of the batch that was applied, if one was. */
  #step(input: PublisherInput<Batch>): BatchApplied | undefined {
    const { state, effects } = step(this.state, input, this.#rules);
    this.state = state;
    const kinds = effects.map(({ kind }) => kind);
    assert.match(
      kinds.join(' '),
      /^((forget|end_replay|drop|gap)( |$))*(apply|request_replay)?$/,
      'one batch or request at most, last',
    );
    if (state.kind === 'draining') assert.isAbove(state.pending.count, 0, 'something waits');
    const outcomes = effects.map(effect => this.#carryOut(effect));
    return outcomes.at(-1);
  }

  #carryOut(effect: PublisherEffect<Batch>): BatchApplied | undefined {
    switch (effect.kind) {
      case 'apply': {
        const batch = effect.message.payload;
        const last = this.#applied.at(-1);
        if (last !== undefined && this.state.kind !== 'connecting') {
          assert.strictEqual(batch.process, last.process, 'one process');
          assert.equal(batch.sequence, last.sequence + 1, 'in order, once');
        }
        this.#applied.push(batch);
        if (!batch.readable) return 'damaged';
        return batch.change.kind === 'clear' ? 'cleared' : 'ok';
      }
      case 'forget':
        this.#applied = [];
        break;
      case 'request_replay':
        this.#endReplay();
        this.#fingerprints.requested();
        this.requests++;
        this.#asked = effect.from;
        break;
      case 'end_replay':
        this.#endReplay();
        break;
      case 'drop':
      case 'gap':
        assert.isAbove(effect.kind === 'drop' ? effect.messages : effect.missed, 0);
    }
    return undefined;
  }

  /** Live: exactly what the process held after its batch before `next`. Cold: nothing that it did not hold. */
  #check(): void {
    const { state } = this;
    if (state.kind !== 'live' && state.kind !== 'cold') return;
    const believed = blocksAfter(this.#applied);
    const last = this.#applied.at(-1);
    const held =
      last === undefined ? new Set<number>() : blocksAfter(last.process.batches.slice(0, state.next));
    for (const block of believed) assert.isTrue(held.has(block), `block ${block} is held`);
    // Batch 0 and the end of a replay were lost on their way: that looks as if there had never been a batch 0.
    const mayLack = this.#lostReplayed && this.#applied[0]?.sequence === 1;
    if (state.kind === 'live' && !mayLack) assert.equal(believed.size, held.size, 'all blocks are known');
    if (last !== undefined) assert.equal(last.sequence + 1, state.next);
  }
}

function messageOf(batch: Batch): Message<Batch> {
  return { sequence: batch.sequence, payload: batch, bytes: 10 };
}

/** Unreadable batches change the publisher's cache as well. */
function blocksAfter(batches: readonly Batch[]): Set<number> {
  const blocks = new Set<number>();
  for (const { change } of batches) {
    if (change.kind === 'store') blocks.add(change.block);
    else if (change.kind === 'remove') blocks.delete(change.block);
    else blocks.clear();
  }
  return blocks;
}
