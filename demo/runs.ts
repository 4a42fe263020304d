import { ask, type Measured } from './client.ts';
import { turnsOf } from './conversations.ts';

/** Conversations under one strategy. */
export interface Run {
  readonly strategy: string;
  /** In the order in which they were asked. */
  readonly requests: readonly Measured[];
}

export interface RunOptions {
  /** Of Envoy. */
  readonly url: string;
  readonly model: string;
  readonly strategy: string;
  readonly onAnswer?: (measured: Measured) => void;
}

/** The conversations, once through, all of them at the same time: each has its next turn when everybody has been answered. */
export async function runConversations({ url, model, strategy, onAnswer }: RunOptions): Promise<Run> {
  const answers = new Map<string, string>();
  const turns = turnsOf((conversation, turn) => answers.get(`${conversation} ${turn}`) ?? '');
  const requests: Measured[] = [];
  for (const number of new Set(turns.map(({ turn }) => turn))) {
    const together = await Promise.all(
      turns
        .filter(({ turn }) => turn === number)
        .map(turn => ask(url, model, turn, { 'routing-strategy': strategy })),
    );
    for (const measured of together) {
      answers.set(`${measured.turn.conversation} ${number}`, measured.answer);
      onAnswer?.(measured);
    }
    requests.push(...together);
  }
  return { strategy, requests };
}
