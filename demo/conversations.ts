/** What the demo asks: a few conversations that grow turn by turn, as an assistant with a long system prompt sees them. */

export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** One request: a turn of one conversation, with all that was said before. */
export interface Turn {
  readonly conversation: string;
  readonly turn: number;
  readonly messages: readonly Message[];
}

const RULES = 60;
const TURNS = 4;

const TOPICS: Readonly<Record<string, readonly string[]>> = {
  library: [
    'Where is the atlas?',
    'Is there a newer edition?',
    'Who borrowed it last?',
    'Reserve it for me, please.',
  ],
  kitchen: [
    'What can I cook with leeks?',
    'I have no butter.',
    'How long does it keep?',
    'And for eight people?',
  ],
  garden: ['When do I sow beans?', 'The soil is heavy clay.', 'What about snails?', 'Which ones climb?'],
  travel: ['How do I get to Bergen?', 'By train only?', 'What does it cost?', 'Is there a night train?'],
  music: ['Who wrote this fugue?', 'Which key is it in?', 'Is it hard to play?', 'Recommend a recording.'],
};

/** The turns in the order in which they arrive: all first turns, then all second ones, and so on. */
export function turnsOf(answerTo: (conversation: string, turn: number) => string): Turn[] {
  return Array.from({ length: TURNS }, (_, turn) => turn + 1).flatMap(turn =>
    Object.keys(TOPICS).map(conversation => ({
      conversation,
      turn,
      get messages() {
        return history(conversation, turn, answerTo);
      },
    })),
  );
}

function history(
  conversation: string,
  turns: number,
  answerTo: (conversation: string, turn: number) => string,
): Message[] {
  const messages: Message[] = [{ role: 'system', content: systemPrompt(conversation) }];
  for (let turn = 1; turn <= turns; turn++) {
    if (turn > 1) messages.push({ role: 'assistant', content: answerTo(conversation, turn - 1) });
    messages.push({ role: 'user', content: TOPICS[conversation]![turn - 1]! });
  }
  return messages;
}

/** About 1,000 tokens: what makes a warm cache worth finding. */
function systemPrompt(conversation: string): string {
  const rules = Array.from(
    { length: RULES },
    (_, i) => `Rule ${i + 1}: answer politely, cite source ${(i * 7) % 50} where you can, and never guess.`,
  );
  return [`You are the ${conversation} assistant of a small town.`, ...rules].join(' ');
}
