/** What is said of pods whose events cannot be followed. */
import { assert } from 'chai';
import { Engines } from '../../src/engines/engines.ts';
import { EventFeed } from '../../src/events/event-feed.ts';
import { HASHER } from '../support/blocks.ts';
import { aCacheState, aPod, recordingLog } from '../support/builders.ts';
import { freePort } from '../support/free-port.ts';

it('more event publishers than there is room for are named once, and said to be followed again', async () => {
  const { log, lines } = recordingLog();
  const cache = aCacheState();
  const feed = new EventFeed({ cache, hasher: HASHER, topic: '', maxPublishers: 1, onFact: () => {} });
  const access = { apiKey: undefined, ca: undefined };
  const engines = new Engines({ cache, feed, dials: true, log, scheme: 'http', access, onPort: () => {} });
  const port = await freePort();
  const [a, b, c] = ['a', 'b', 'c'].map(name =>
    aPod({ name, port, kvEvents: { kind: 'zmq', port, replayPort: undefined, ranks: 1 } }),
  );
  try {
    for (const pod of [a!, b!, c!]) engines.joined(pod);
    engines.changed();
    engines.changed();
    const said = () =>
      lines
        .filter(({ fields }) => 'maxPublishers' in fields)
        .map(({ level, fields }) => [level, fields.pods]);
    assert.deepEqual(said(), [['error', ['b', 'c']]]);
    engines.left(b!);
    engines.changed();
    engines.left(a!);
    engines.changed();
    assert.deepEqual(said(), [
      ['error', ['b', 'c']],
      ['error', ['c']],
      ['info', undefined],
    ]);
  } finally {
    await engines.stop();
    await feed.stop();
  }
});
