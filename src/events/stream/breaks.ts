/** How a stream breaks: how many replays that has cost, and whether two publishers take turns on it. */

export interface Breaks {
  /** Replays requested since the stream was last steady; those that are due after a wait do not count. */
  readonly requests: number;
  /** The first sequence of the live messages that have come without a break. */
  readonly since: number;
  /** Watermarks at which the live stream jumped, latest first. */
  readonly left: readonly number[];
  /** How often since it was last steady it came back to one of them, or had other bytes under the number that it had just had: no single process does. */
  readonly turns: number;
}

/** Live messages without a break after which the stream is steady: what was before does not count. */
const STEADY_MESSAGES = 16;
/** Of three publishers, each comes back to the third last one. */
const MAX_LEFT = 4;
/** A message that comes late makes two turns as well; but not four of them in a row. */
const TWO_PUBLISHERS_TURNS = 8;

export const UNBROKEN: Breaks = { requests: 0, since: 0, left: [], turns: 0 };

/** After the live message `sequence`, which does not follow the one before it, nor repeats it. */
export function brokenAt(breaks: Breaks, watermark: number | undefined, sequence: number): Breaks {
  if (sequence === watermark) return breaks;
  if (watermark === undefined) return { ...breaks, since: sequence };
  const isSteady = watermark - breaks.since >= STEADY_MESSAGES;
  const returns = breaks.left.includes(sequence) || (sequence === watermark - 1 && sequence > 0);
  return {
    requests: isSteady ? 0 : breaks.requests,
    since: sequence,
    left: [watermark, ...breaks.left.filter(left => left !== sequence)].slice(0, MAX_LEFT),
    turns: (isSteady ? 0 : breaks.turns) + (returns ? 1 : 0),
  };
}

export function isOfTwoPublishers({ turns }: Breaks): boolean {
  return turns >= TWO_PUBLISHERS_TURNS;
}

/** It is tried whether the stream is one publisher's now, whichever it is: a single turn more, and it is not. */
export function onTrial(breaks: Breaks): Breaks {
  return { ...breaks, left: [], turns: TWO_PUBLISHERS_TURNS - 1 };
}

/** As many replays may be requested as at first. */
export function calmed(breaks: Breaks): Breaks {
  return breaks.requests === 0 ? breaks : { ...breaks, requests: 0 };
}
