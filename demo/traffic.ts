/** Light traffic that goes on, so that there is something to see: conversations come, grow and end, and engines fail now and then. */
import { setTimeout as delay } from 'node:timers/promises';
import { ask } from './client.ts';
import type { Message } from './conversations.ts';

export interface TrafficOptions {
  /** Of Envoy. */
  readonly url: string;
  readonly model: string;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** Conversations at a time; each has a question every few seconds. */
const CONVERSATIONS = 15;
const THINK_MS = { least: 900, most: 4_500 };
const ANSWER_TOKENS = { least: 100, most: 600 };
const MAX_TURNS = 7;
/** Conversations about one subject begin with the same text. */
const SUBJECTS = ['library', 'kitchen', 'garden', 'travel'];
/** One conversation in so many is about something that nobody has asked before. */
const NEW_SUBJECT_IN = 4;
const QUESTIONS = [
  'Can you say that again, and shorter?',
  'Which of them would you take, and why not the other ones?',
  'My neighbour says the opposite. Who is right?',
  'And what if it rains on that day?',
  'How long does that take when there are eight of us?',
  'Write it down as a list, with the dates in front.',
  'What did I forget to ask?',
];

/** Goes on until `signal` is aborted. Answers that fail are part of it. */
export async function keepTalking(options: TrafficOptions): Promise<void> {
  await Promise.all(Array.from({ length: CONVERSATIONS }, (_, i) => talk(i, options)));
}

async function talk(first: number, { url, model, signal }: TrafficOptions): Promise<void> {
  for (let number = first; !signal.aborted; number += CONVERSATIONS) {
    const subject =
      number % NEW_SUBJECT_IN === 3 ? `number ${number}` : SUBJECTS[between(0, SUBJECTS.length - 1)]!;
    const messages: Message[] = [{ role: 'system', content: rulesOf(subject) }];
    const turns = between(2, MAX_TURNS);
    for (let turn = 1; turn <= turns && (await thought(signal)); turn++) {
      const question = QUESTIONS[(number + turn) % QUESTIONS.length]!;
      messages.push({ role: 'user', content: `${turn === 1 ? `I am guest ${number}. ` : ''}${question}` });
      const tokens = between(ANSWER_TOKENS.least, ANSWER_TOKENS.most);
      const asked = { conversation: `${subject} ${number}`, turn, messages };
      const answer = await ask(url, model, asked, {}, tokens).catch(() => undefined);
      if (answer === undefined) break;
      messages.push({ role: 'assistant', content: answer.answer });
    }
  }
}

/** Returns whether to go on. */
async function thought(signal: AbortSignal): Promise<boolean> {
  await delay(between(THINK_MS.least, THINK_MS.most), undefined, { signal }).catch(() => {});
  return !signal.aborted;
}

function rulesOf(subject: string): string {
  const rules = Array.from(
    { length: 40 },
    (_, i) => `Rule ${i + 1} of ${subject}: be brief, cite source ${i}.`,
  );
  return [`The assistant of ${subject} in a small town.`, ...rules].join(' ');
}

function between(least: number, most: number): number {
  return least + Math.floor(Math.random() * (most - least + 1));
}
