import { type Command, InvalidArgumentError, Option } from 'commander';
import { DEFAULT_ENGINE_OPTIONS, type EngineOptions, startEngine } from '../simulator/engine.ts';
import { untilAborted } from './signals.ts';

interface EngineFlags {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly eventsPort: number;
  readonly replayPort: number | 'off';
  readonly model: string;
  readonly adapters: readonly string[];
  readonly blockSize: number;
  readonly cacheBlocks: number;
  readonly maxModelLen: number;
  readonly events: EngineOptions['eventEncoding'];
  readonly topic: string;
  readonly render?: EngineOptions['render'];
  readonly prefillRate: number;
  readonly decodeRate: number;
}

/** Adds `warmroute engine`: a simulated vLLM engine in the foreground. */
export function addEngineCommand(program: Command, ending: AbortSignal): void {
  const { cost, ...defaults } = DEFAULT_ENGINE_OPTIONS;
  program
    .command('engine')
    .description('Run a simulated vLLM engine: OpenAI API, tokenizer, KV cache and its events, no GPU')
    .option('--name <name>', 'shown in its log lines', defaults.name)
    .option('--host <ip>', 'address to listen on', defaults.host)
    .option('--port <port>', 'OpenAI API; 0 for any free port', portNumber, defaults.httpPort)
    .option(
      '--events-port <port>',
      'KV-cache events (ZeroMQ PUB); 0 for any free port',
      portNumber,
      defaults.eventsPort,
    )
    .option(
      '--replay-port <port>',
      'event replay (ZeroMQ ROUTER); 0 for any free port, "off" for none',
      text => (text === 'off' ? text : portNumber(text)),
      defaults.replayPort,
    )
    .option('--model <name>', 'model that it serves', defaults.model)
    .option(
      '--adapters <names>',
      'LoRA adapters that it serves, comma-separated',
      text => text.split(','),
      [],
    )
    .option('--block-size <tokens>', 'tokens per KV-cache block', wholeNumber, defaults.blockSizeTokens)
    .option('--cache-blocks <blocks>', 'size of the KV cache', wholeNumber, defaults.cacheBlocks)
    .option(
      '--max-model-len <tokens>',
      'longest prompt and answer together',
      wholeNumber,
      defaults.maxModelLen,
    )
    .addOption(
      new Option('--events <encoding>', 'events as maps (vLLM 0.24 and later) or as arrays (up to 0.23)')
        .choices(['map', 'array'])
        .default(defaults.eventEncoding),
    )
    .option('--topic <topic>', 'topic of its events', defaults.topic)
    .addOption(
      new Option(
        '--render <endpoints>',
        'render endpoints that it serves (default: as its version does)',
      ).choices(['all', 'chat-and-completions', 'off']),
    )
    .option(
      '--prefill-rate <tokens/s>',
      'prompt tokens computed per second',
      wholeNumber,
      cost.prefillTokensPerSecond,
    )
    .option(
      '--decode-rate <tokens/s>',
      'tokens generated per second and request',
      wholeNumber,
      cost.decodeTokensPerSecond,
    )
    .action((flags: EngineFlags) => runEngine(flags, ending));
}

async function runEngine(flags: EngineFlags, ending: AbortSignal): Promise<void> {
  const engine = await startEngine({
    name: flags.name,
    host: flags.host,
    httpPort: flags.port,
    eventsPort: flags.eventsPort,
    replayPort: flags.replayPort,
    model: flags.model,
    adapters: flags.adapters,
    blockSizeTokens: flags.blockSize,
    cacheBlocks: flags.cacheBlocks,
    maxModelLen: flags.maxModelLen,
    eventEncoding: flags.events,
    topic: flags.topic,
    ...(flags.render && { render: flags.render }),
    cost: {
      ...DEFAULT_ENGINE_OPTIONS.cost,
      prefillTokensPerSecond: flags.prefillRate,
      decodeTokensPerSecond: flags.decodeRate,
    },
  });
  const { name, url, eventsPort, replayPort } = engine;
  console.log(JSON.stringify({ msg: 'engine ready', name, url, eventsPort, replayPort }));
  await untilAborted(ending);
  await engine.stop();
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('must be a whole number.');
  return Number(text);
}

function portNumber(text: string): number {
  const port = wholeNumber(text);
  if (port > 65_535) throw new InvalidArgumentError('must be at most 65535.');
  return port;
}
