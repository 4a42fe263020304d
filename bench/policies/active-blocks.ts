import type { TraceRequest } from '../../src/simulation/trace/trace-request.ts';

/** Distinct prompt blocks of the requests in flight on each pod, by the ids of the trace: what Dynamo calls active blocks. */
export class ActiveBlocks {
  readonly #pods = new Map<number, { readonly uses: Map<number, number>; blocks: number }>();
  readonly #blockSizeTokens: number;

  constructor(blockSizeTokens: number) {
    this.#blockSizeTokens = blockSizeTokens;
  }

  /** How many there would be on this pod with one more request. */
  with(pod: number, request: TraceRequest): number {
    const { uses, blocks } = this.#of(pod);
    let sum = blocks;
    request.hashIds.forEach((id, i) => {
      if (!uses.has(id)) sum += this.#blocksAt(request, i);
    });
    return sum;
  }

  /** Returns what ends it. */
  begin(pod: number, request: TraceRequest): () => void {
    const account = this.#of(pod);
    request.hashIds.forEach((id, i) => {
      const uses = account.uses.get(id) ?? 0;
      if (uses === 0) account.blocks += this.#blocksAt(request, i);
      account.uses.set(id, uses + 1);
    });
    return () => {
      request.hashIds.forEach((id, i) => {
        const uses = account.uses.get(id)! - 1;
        if (uses > 0) {
          account.uses.set(id, uses);
          return;
        }
        account.uses.delete(id);
        account.blocks -= this.#blocksAt(request, i);
      });
    };
  }

  #blocksAt({ inputTokens, tokensPerId }: TraceRequest, i: number): number {
    return Math.ceil(Math.min(tokensPerId, inputTokens - i * tokensPerId) / this.#blockSizeTokens);
  }

  #of(pod: number) {
    let account = this.#pods.get(pod);
    if (account === undefined) {
      account = { uses: new Map(), blocks: 0 };
      this.#pods.set(pod, account);
    }
    return account;
  }
}
