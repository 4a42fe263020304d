import { assert } from 'chai';
import { type PromptRequest, parsePrompt } from '../../src/prompt/request.ts';
import { aPod, aPromptHistory } from '../support/builders.ts';

const a = aPod({ name: 'a' });
const b = aPod({ name: 'b' });

function chat(...contents: readonly string[]): PromptRequest {
  const messages = contents.map(content => ({ role: 'user', content }));
  const raw = Buffer.from(JSON.stringify({ model: 'm', messages }));
  const parsed = parsePrompt('/v1/chat/completions', undefined, raw);
  if (parsed.kind !== 'prompt') assert.fail('not a prompt');
  return parsed.prompt;
}

/** One that remembers: some prompt had no tokens. */
function remembering(given: Parameters<typeof aPromptHistory>[0] = {}) {
  const history = aPromptHistory(given);
  history.find(chat('without tokens'), []);
  return history;
}

const matched = (history: ReturnType<typeof aPromptHistory>, prompt: PromptRequest, pods = [a, b]) => [
  ...history.find(prompt, pods).matched,
];

describe('PromptHistory', () => {
  it('knows how far a prompt was sent to each pod', () => {
    const history = remembering();
    history.remember(chat('1', '2'), a);
    history.remember(chat('1'), b);
    assert.deepEqual(matched(history, chat('1', '2', '3')), [2, 1]);
    assert.deepEqual([...history.find(chat('1', '2', '3'), [a, b]).total], [3, 3]);
    assert.deepEqual(matched(history, chat('2')), [0, 0]);
  });

  it('can be looked at without anything that follows of it', () => {
    const idle = aPromptHistory();
    idle.peek(chat('1'), [a]);
    idle.remember(chat('1'), a);
    assert.deepEqual(matched(idle, chat('1')), [0, 0], 'it does not begin to remember');

    const full = remembering({ maxEntries: 2 });
    full.remember(chat('1'), a);
    full.remember(chat('2'), a);
    assert.deepEqual([...full.peek(chat('1'), [a, b]).matched], [1, 0]);
    full.remember(chat('3'), a);
    assert.deepEqual(matched(full, chat('1')), [0, 0], 'it was used longest ago');
  });

  it('takes back what was sent to a pod that failed, and nothing else', () => {
    const history = remembering();
    history.remember(chat('1'), a);
    history.remember(chat('1'), b);
    const takeBack = history.remember(chat('1', '2'), a);
    takeBack();
    assert.deepEqual(matched(history, chat('1', '2')), [1, 1]);
    const again = history.remember(chat('1', '2'), b);
    history.remember(chat('1', '2'), b);
    again();
    takeBack();
    assert.deepEqual(matched(history, chat('1', '2')), [1, 2], 'it was sent there once more');
  });

  it('remembers nothing as long as all prompts have tokens', () => {
    const history = aPromptHistory();
    history.remember(chat('1'), a);
    assert.deepEqual(matched(history, chat('1')), [0, 0]);
  });

  it('forgets after a time, and then remembers nothing until it is asked again', () => {
    let now = 0;
    const history = remembering({ timeToLiveMs: 1000, now: () => now });
    history.remember(chat('1'), a);
    now = 999;
    assert.deepEqual(matched(history, chat('1')), [1, 0]);
    now = 1000;
    assert.deepEqual(matched(history, chat('1')), [0, 0]);
    now = 2000;
    history.remember(chat('1'), a);
    assert.deepEqual(matched(history, chat('1')), [0, 0]);
  });

  it('does not take a pod for its predecessor', () => {
    const history = remembering();
    history.remember(chat('1'), a);
    assert.deepEqual(matched(history, chat('1'), [aPod({ name: 'a', port: 9 })]), [0]);
  });

  it('is bounded, in prompts and in pods of one prompt', () => {
    const history = remembering({ maxEntries: 2 });
    for (const text of ['1', '2', '3']) history.remember(chat(text), a);
    assert.deepEqual(
      ['1', '2', '3'].map(text => matched(history, chat(text))[0]),
      [0, 1, 1],
    );
    const pods = Array.from({ length: 10 }, (_, i) => aPod({ name: `pod-${i}` }));
    for (const pod of pods) history.remember(chat('1'), pod);
    assert.equal(matched(history, chat('1'), pods).join(''), '0011111111');
  });
});
