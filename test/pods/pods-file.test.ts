import { assert } from 'chai';
import { parsePodsFile } from '../../src/pods/pods-file.ts';

const VALID = `
pods:
  - name: engine-0
    address: 10.0.0.5
    port: 8000
    model: Qwen/Qwen3-8B
    aliases: [qwen3]
    kvEvents: { port: 5557, replayPort: 5558, ranks: 1 }
    labels: { zone: a, "example.com/empty": "" }
  - name: engine-1
    address: engine_1.svc.cluster.local.
    port: 8001
    model: Qwen/Qwen3-8B
`;

const SPECS = [
  {
    name: 'engine-0',
    address: '10.0.0.5',
    port: 8000,
    model: 'Qwen/Qwen3-8B',
    aliases: ['qwen3'],
    kvEvents: { kind: 'zmq', port: 5557, replayPort: 5558, ranks: 1 },
    labels: { zone: 'a', 'example.com/empty': '' },
  },
  {
    name: 'engine-1',
    address: 'engine_1.svc.cluster.local.',
    port: 8001,
    model: 'Qwen/Qwen3-8B',
    aliases: [],
    kvEvents: { kind: 'none' },
    labels: {},
  },
];

function specsOf(text: string): unknown {
  const parsed = parsePodsFile(text);
  return parsed.kind === 'valid' ? parsed.specs : assert.fail(JSON.stringify(parsed.problems));
}

function problemsOf(text: string): string[] {
  const parsed = parsePodsFile(text);
  return parsed.kind === 'invalid'
    ? parsed.problems.map(({ place, reason }) => `${place}: ${reason}`)
    : assert.fail('no problem found');
}

const ZONE_REASON =
  'must be 1 to 63 letters, digits, "-", "_" or ".", as the value of a label in Kubernetes; letters or digits first and last';

const pod = (more: Record<string, unknown>) => ({
  name: 'a',
  address: '10.0.0.1',
  port: 8000,
  model: 'm',
  ...more,
});
const fileWith = (...pods: unknown[]) => JSON.stringify({ pods });

describe('parsePodsFile', () => {
  it('reads YAML', () => {
    assert.deepEqual(specsOf(VALID), SPECS);
  });

  it('reads JSON, with tabs too', () => {
    const [first, second] = SPECS;
    const kvEvents = { port: 5557, replayPort: 5558, ranks: 1 };
    const text = JSON.stringify(
      {
        pods: [
          { ...first, kvEvents },
          { ...second, kvEvents: undefined },
        ],
      },
      null,
      '\t',
    );
    assert.deepEqual(specsOf(text), SPECS);
  });

  it('takes an empty list for what it says', () => {
    assert.deepEqual(specsOf('pods: []'), []);
  });

  it('takes a directory of tokenizer files', () => {
    const [spec] = specsOf(fileWith(pod({ tokenizer: 'qwen3' }))) as { tokenizer?: unknown }[];
    assert.deepEqual(spec!.tokenizer, { kind: 'directory', path: 'qwen3' });
  });

  it('takes the zone from its field, else from the label of Kubernetes', () => {
    const zoneOf = (more: Record<string, unknown>) =>
      (specsOf(fileWith(pod(more))) as { zone?: string }[])[0]!.zone;
    const labels = { 'topology.kubernetes.io/zone': 'b' };
    assert.equal(zoneOf({ zone: 'a' }), 'a');
    assert.equal(zoneOf({ labels }), 'b');
    assert.equal(zoneOf({ zone: 'a', labels }), 'a');
    assert.isUndefined(zoneOf({ labels: { 'topology.kubernetes.io/zone': '' } }));
    assert.isUndefined(zoneOf({ labels: { zone: 'c' } }));
  });

  it('has one rank and no replay unless told otherwise', () => {
    const [spec] = specsOf(fileWith(pod({ kvEvents: { port: 5557 } }))) as { kvEvents: unknown }[];
    assert.deepEqual(spec?.kvEvents, { kind: 'zmq', port: 5557, replayPort: undefined, ranks: 1 });
  });

  for (const [what, text] of [
    ['in YAML', 'pods: [{ name: a, address: 10.0.0.1, port: 8000, model: m, kvEvents: auto }]'],
    ['in quotes', 'pods: [{ name: a, address: 10.0.0.1, port: 8000, model: m, kvEvents: "auto" }]'],
    ['in JSON', fileWith(pod({ kvEvents: 'auto' }))],
  ] as const) {
    it(`leaves it to the engine to say where it publishes, ${what}`, () => {
      const [spec] = specsOf(text) as { kvEvents: unknown }[];
      assert.deepEqual(spec?.kvEvents, { kind: 'auto' });
    });
  }

  for (const [what, kvEvents] of Object.entries({
    'in capitals': 'AUTO',
    'with a space': ' auto',
    'in a list': ['auto'],
    'that is empty': '',
    'that is nothing': null,
    'that is off': false,
  })) {
    it(`knows no source of events ${what}`, () => {
      assert.deepEqual(problemsOf(fileWith(pod({ kvEvents }))), [
        'pods[0].kvEvents: must be "auto", or have port and, optionally, replayPort and ranks',
      ]);
    });
  }

  it('says all that is wrong about where an engine publishes', () => {
    const kvEvents = { port: '5557', replayPort: 0, ranks: 1.5, kind: 'auto', auto: true };
    assert.sameMembers(problemsOf(fileWith(pod({ kvEvents }), pod({ name: 'b', kvEvents: 'auto' }))), [
      'pods[0].kvEvents.port: must be an integer between 1 and 65535',
      'pods[0].kvEvents.replayPort: must be an integer between 1 and 65535',
      'pods[0].kvEvents.ranks: must be an integer between 1 and 256',
      'pods[0].kvEvents.kind: unknown key',
      'pods[0].kvEvents.auto: unknown key',
      'pods[1].port: "10.0.0.1 8000" is already the address and port of pods[0]',
    ]);
  });

  for (const address of ['::1', '2001:db8::5', 'localhost', 'a-b.c', '1and1.example', 'x'.repeat(63)]) {
    it(`accepts the address ${address}`, () => {
      assert.lengthOf(specsOf(fileWith(pod({ address }))) as unknown[], 1);
    });
  }

  for (const address of [
    '[::1]',
    '10.0.0.5:8000',
    'http://engine',
    '10.0.0.256',
    '10.0.5',
    'fe80::1%eth0',
    '-a.b',
    'a..b',
    'x'.repeat(64),
    `${'x.'.repeat(127)}x`,
  ]) {
    it(`refuses the address ${address}`, () => {
      assert.deepEqual(problemsOf(fileWith(pod({ address }))), [
        'pods[0].address: must be an IP address or a host name, without scheme, brackets or port',
      ]);
    });
  }

  const portReason = 'must be an integer between 1 and 65535';
  for (const [what, entry, problem] of [
    ['a number for an entry', 3, 'pods[0]: must be a map of name, address, port and model'],
    ['an empty entry', null, 'pods[0]: must be a map of name, address, port and model'],
    ['a missing model', pod({ model: undefined }), 'pods[0].model: is required'],
    ['a missing port', pod({ port: undefined }), 'pods[0].port: is required'],
    ['port 0', pod({ port: 0 }), `pods[0].port: ${portReason}`],
    ['port 65536', pod({ port: 65536 }), `pods[0].port: ${portReason}`],
    ['a broken port', pod({ port: 80.5 }), `pods[0].port: ${portReason}`],
    ['a port in quotes', pod({ port: '80' }), `pods[0].port: ${portReason}`],
    ['a blank model', pod({ model: ' ' }), 'pods[0].model: must not be empty'],
    [
      'a model that YAML reads as a number',
      pod({ model: 1.5 }),
      'pods[0].model: must be text; put it in quotes',
    ],
    ['a slash in a name', pod({ name: 'a/b' }), 'pods[0].name: must not contain spaces or "/"'],
    ['an unknown key', pod({ adress: 1 }), 'pods[0].adress: unknown key'],
    ['an odd unknown key', pod({ 'a b': 1 }), 'pods[0]["a b"]: unknown key'],
    ['aliases that are no list', pod({ aliases: 'x' }), 'pods[0].aliases: must be a list of model names'],
    [
      'an alias that is no text',
      pod({ aliases: ['x', 1] }),
      'pods[0].aliases[1]: must be text; put it in quotes',
    ],
    ['a zone that no label could have', pod({ zone: 'a b' }), `pods[0].zone: ${ZONE_REASON}`],
    ['an empty zone', pod({ zone: '' }), `pods[0].zone: ${ZONE_REASON}`],
    [
      'a label that is no zone',
      pod({ labels: { 'topology.kubernetes.io/zone': 'z'.repeat(64) } }),
      `pods[0].labels["topology.kubernetes.io/zone"]: ${ZONE_REASON}`,
    ],
    ['an empty tokenizer', pod({ tokenizer: '' }), 'pods[0].tokenizer: must not be empty'],
    [
      'a tokenizer that is no path',
      pod({ tokenizer: 'a\0' }),
      'pods[0].tokenizer: must be the path of a directory',
    ],
    ['a zone that is a number', pod({ zone: 1 }), 'pods[0].zone: must be text; put it in quotes'],
    ['labels that are no map', pod({ labels: [] }), 'pods[0].labels: must be a map of text to text'],
    [
      'a label that is no text',
      pod({ labels: { zone: 1 } }),
      'pods[0].labels.zone: must be text; put it in quotes',
    ],
    [
      'events that are no map',
      pod({ kvEvents: true }),
      'pods[0].kvEvents: must be "auto", or have port and, optionally, replayPort and ranks',
    ],
    ['events without a port', pod({ kvEvents: {} }), 'pods[0].kvEvents.port: is required'],
    [
      'no rank at all',
      pod({ kvEvents: { port: 5557, ranks: 0 } }),
      'pods[0].kvEvents.ranks: must be an integer between 1 and 256',
    ],
    [
      'too many ranks',
      pod({ kvEvents: { port: 5557, ranks: 257 } }),
      'pods[0].kvEvents.ranks: must be an integer between 1 and 256',
    ],
    [
      'ranks beyond the last port',
      pod({ kvEvents: { port: 65535, ranks: 2 } }),
      'pods[0].kvEvents.port: leaves no room for 2 ranks: the last would be on port 65536',
    ],
    [
      'replays on the event port',
      pod({ kvEvents: { port: 5557, replayPort: 5557 } }),
      'pods[0].kvEvents.replayPort: must differ from port',
    ],
    [
      'the replay ports of ranks among their event ports',
      pod({ kvEvents: { port: 5557, replayPort: 5558, ranks: 2 } }),
      'pods[0].kvEvents.replayPort: ports 5558 to 5559 overlap the event ports 5557 to 5558: ' +
        'rank r uses port + r and replayPort + r',
    ],
    [
      'the event ports of ranks among their replay ports',
      pod({ kvEvents: { port: 5560, replayPort: 5557, ranks: 4 } }),
      'pods[0].kvEvents.replayPort: ports 5557 to 5560 overlap the event ports 5560 to 5563: ' +
        'rank r uses port + r and replayPort + r',
    ],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.deepEqual(problemsOf(fileWith(entry)), [problem]);
    });
  }

  it('accepts ranges of ports side by side', () => {
    assert.isArray(specsOf(fileWith(pod({ kvEvents: { port: 5557, replayPort: 5561, ranks: 4 } }))));
  });

  it('reports duplicate names with both places, and everything else with them', () => {
    const problems = problemsOf(
      fileWith(
        pod({}),
        null,
        pod({ port: 0 }),
        pod({ name: 'b', port: 8001, kvEvents: { port: 1, replayPort: 1 } }),
        pod({}),
      ),
    );
    assert.sameMembers(problems, [
      'pods[1]: must be a map of name, address, port and model',
      `pods[2].port: ${portReason}`,
      'pods[3].kvEvents.replayPort: must differ from port',
      'pods[2].name: "a" is already the name of pods[0]',
      'pods[4].name: "a" is already the name of pods[0]',
      'pods[4].port: "10.0.0.1 8000" is already the address and port of pods[0]',
    ]);
  });

  it('refuses an alias that stands for two models', () => {
    const problems = problemsOf(
      fileWith(
        pod({ aliases: ['chat', 'sql'] }),
        pod({ name: 'b', port: 8001, aliases: ['chat'] }),
        pod({ name: 'c', port: 8002, model: 'other', aliases: ['mine', 'chat', 'm'] }),
      ),
    );
    assert.deepEqual(problems, [
      'pods[2].aliases[1]: "chat" already stands for "m"',
      'pods[2].aliases[2]: "m" already stands for "m"',
    ]);
  });

  for (const [what, text, problems] of [
    ['an empty file', '', ['file: must be a map with the key "pods"']],
    ['a list', '- name: a', ['file: must be a map with the key "pods"']],
    ['pods cut off', 'pods:', ['pods: must be a list']],
    ['another key instead', 'engines: []', ['pods: is required', 'engines: unknown key']],
    [
      'a second document',
      'pods: []\n---\npods: []',
      ['line 2, column 1: a second document starts here; only one is allowed'],
    ],
    ['a key given twice', 'pods: []\npods: []', ['line 2, column 1: Map keys must be unique']],
    [
      'an alias without anchor',
      'pods:\n  - *engine',
      ['file: Unresolved alias (the anchor must be set before the alias): engine'],
    ],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.deepEqual(problemsOf(text), [...problems]);
    });
  }

  it('reports broken YAML with its line', () => {
    assert.match(problemsOf('pods:\n  - name: "a\n').join(), /^line 3, column 1: /);
  });

  it('refuses a file that grows without bound by aliases', () => {
    const levels = Array.from(
      { length: 12 },
      (_, level) => `a${level + 1}: &a${level + 1} [${`*a${level},`.repeat(9)}]`,
    );
    assert.match(
      problemsOf(['a0: &a0 x', ...levels].join('\n')).join(),
      /^file: an anchor \(&\) is used too often: 20000 times/,
    );
  });

  describe('refuses more than', () => {
    const x = (count: number) => 'x'.repeat(count);
    const rows: [string, string, string][] = [
      ['20,000 pods', fileWith(...Array(20_001).fill(null)), 'pods: has 20001 entries; 20000 are the most'],
      [
        '253 characters of a name',
        fileWith(pod({ name: x(254) })),
        'pods[0].name: must not be longer than 253 characters',
      ],
      [
        '512 characters of a model',
        fileWith(pod({ model: x(513) })),
        'pods[0].model: must not be longer than 512 characters',
      ],
      [
        '512 characters of an alias',
        fileWith(pod({ aliases: [x(513)] })),
        'pods[0].aliases[0]: must not be longer than 512 characters',
      ],
      [
        '256 aliases',
        fileWith(pod({ aliases: Array.from({ length: 257 }, (_, i) => `a${i}`) })),
        'pods[0].aliases: must not have more than 256 names',
      ],
      [
        '64 labels',
        fileWith(pod({ labels: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`l${i}`, ''])) })),
        'pods[0].labels: must not have more than 64 labels',
      ],
      [
        '1,024 characters of a label',
        fileWith(pod({ labels: { l: x(1_025) } })),
        'pods[0].labels.l: must not be longer than 1024 characters',
      ],
    ];
    for (const [name, text, problem] of rows) {
      it(name, () => assert.deepEqual(problemsOf(text), [problem]));
    }

    it('that, and takes as much', () => {
      const most = pod({
        ...{ name: x(253), model: x(512), labels: { l: x(1_024) } },
        aliases: Array.from({ length: 256 }, (_, i) => `${i}`.padEnd(512, 'x')),
      });
      assert.deepInclude((specsOf(fileWith(most)) as object[])[0], most);
    });
  });

  it('tells of fifty mistakes, in few words each, and how many more there are', () => {
    const problems = problemsOf(fileWith(...Array(60).fill(pod({ name: 'x'.repeat(1_000) }))));
    assert.lengthOf(problems, 51);
    assert.match(problems[50]!, /^file: has \d+ more mistakes$/);
    for (const problem of problems) assert.isBelow(problem.length, 700);
  });

  it('lets a thousand entries have what they share from an anchor', () => {
    const entries = Array.from(
      { length: 1_000 },
      (_, i) => `- { name: e${i}, address: 10.0.0.1, port: ${i + 1}, model: m, kvEvents: *events }`,
    );
    const first = '- { name: first, address: 10.0.0.2, port: 1, model: m, kvEvents: &events { port: 5557 } }';
    assert.lengthOf(specsOf(['pods:', first, ...entries].join('\n')) as unknown[], 1_001);
  });

  it('refuses what is nested deeper than it can follow', () => {
    assert.deepEqual(problemsOf(`${'['.repeat(5_000)}${']'.repeat(5_000)}`), ['file: is nested too deeply']);
  });
});
