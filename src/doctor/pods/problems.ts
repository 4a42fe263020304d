/** What can be wrong with one pod, and with the pods together. */
import { findingsOf, type Problem } from '../finding.ts';

export const POD_PROBLEMS = {
  http_refused: {
    status: 'fail',
    check: 'http',
    means: 'Nothing listens at the pod’s address and port, or no connection to it is possible.',
    advice:
      'start the engine, or correct address and port in the pods file; in a cluster look at NetworkPolicies and at --host of the engine (0.0.0.0)',
  },
  http_broken: {
    status: 'fail',
    check: 'http',
    means:
      'Something listens there and does not answer HTTP: the port of something else, or https where http was asked.',
    advice:
      'give the pod the port of its OpenAI API; where it speaks https, set AIBRIX_VLLM_TOKENIZER_ENDPOINT_TEMPLATE=https://%s:PORT and WARMROUTE_ENGINE_CA_FILE',
  },
  http_silent: {
    status: 'fail',
    check: 'http',
    means: 'The connection is taken, or not even refused, and no answer comes.',
    advice: 'look at the engine’s log: it hangs, still loads its model, or a firewall drops the connection',
  },
  unhealthy: {
    status: 'fail',
    check: 'health',
    means:
      '`GET /health` answers 5xx: the engine’s core is dead, or still starting. The router picks other pods.',
    advice: 'restart the engine; its log says why its core has died',
  },
  no_health: {
    status: 'warn',
    check: 'health',
    means:
      '`GET /health` has neither 200 nor 5xx: it says nothing of the engine, and only its answers to requests do.',
    advice: 'check that the port is the engine’s own and not a proxy’s that hides /health',
  },
  key_missing: {
    status: 'warn',
    check: 'api_key',
    means:
      'The engine wants an API key and none is configured: render endpoints and its list of models are closed to the router; `/tokenize` is asked instead, which cannot express every request.',
    advice: 'set WARMROUTE_ENGINE_API_KEY_FILE to a file with the key that the engine was started with',
  },
  key_refused: {
    status: 'fail',
    check: 'api_key',
    means: 'The engine refuses the key of `WARMROUTE_ENGINE_API_KEY_FILE`.',
    advice: 'put the key that this engine was started with (--api-key) into WARMROUTE_ENGINE_API_KEY_FILE',
  },
  clock_differs: {
    status: 'warn',
    check: 'clock',
    means:
      'The clocks of the engine and of this machine are seconds apart: lag of events, logs and certificates’ times mislead.',
    advice: 'let NTP or chrony keep the clock on both machines',
  },
  version_limit: {
    status: 'warn',
    check: 'version',
    means:
      'This version of the engine, or how it was started, cannot do something that routing makes use of.',
    advice:
      'upgrade the engine, or live with what is said here (docs/events.md, docs/architecture.md#known-limits)',
  },
  model_not_served: {
    status: 'fail',
    check: 'models',
    means:
      'The engine does not serve the model that the pod is said to have: requests that go there are answered 404.',
    advice:
      'write the name that the engine serves (--served-model-name) into the pods file, or annotate the pod',
  },
  alias_not_served: {
    status: 'fail',
    check: 'models',
    means:
      'The pods file names an alias or adapter that the engine does not serve: requests for it are answered 404.',
    advice: 'load the adapter, add the name to --served-model-name, or take it out of the pod’s aliases',
  },
  adapter_not_named: {
    status: 'warn',
    check: 'models',
    means:
      'The engine serves a LoRA adapter that the pod’s entry does not name: the router answers 404 for it.',
    advice: 'add it to the pod’s aliases in the pods file',
  },
  events_unconfigured: {
    status: 'warn',
    check: 'events_port',
    means: 'KV-cache events are synced, and this pod’s entry names none: nothing is known of what it holds.',
    advice: 'give the pod kvEvents in the pods file (`auto` from vLLM 0.31 on), or annotate it',
  },
  events_off: {
    status: 'fail',
    check: 'events_port',
    means: 'By its own account the engine publishes no KV-cache events.',
    advice:
      'start it with --kv-events-config \'{"enable_kv_cache_events":true,"publisher":"zmq","endpoint":"tcp://*:5557","replay_endpoint":"tcp://*:5558"}\'',
  },
  events_unknown: {
    status: 'fail',
    check: 'events_port',
    means: '`kvEvents: auto`, and the engine does not say where it publishes.',
    advice: 'write its ports into kvEvents: only vLLM 0.31 and later, and SGLang, say them',
  },
  events_unreachable: {
    status: 'fail',
    check: 'events_port',
    means: 'No connection to the event port of a rank: the pod looks as if it held nothing.',
    advice:
      'check --kv-events-config of the engine (its endpoint must have a `*`: with a host name it dials instead of listening) and that the port is open',
  },
  events_not_zmq: {
    status: 'fail',
    check: 'events_port',
    means: 'Something listens on the event port and does not speak ZeroMQ, or is no publisher.',
    advice: 'write the port of the engine’s event endpoint into kvEvents.port; rank r is on port + r',
  },
  ports_overlap: {
    status: 'fail',
    check: 'ranks',
    means: 'With so many ranks the event ports run into the replay ports: rank r uses both plus r.',
    advice: 'leave room between the ports, as 5557 and 5657',
  },
  ports_differ: {
    status: 'warn',
    check: 'ranks',
    means: 'The engine says that it publishes, or replays, on other ports than those that are configured.',
    advice:
      'write the engine’s ports into the pods file, unless something maps them on the way; or use kvEvents: auto',
  },
  ranks_missing: {
    status: 'fail',
    check: 'ranks',
    means:
      'The engine has more data-parallel ranks than are configured: the events of the others are not followed.',
    advice: 'set kvEvents.ranks to the number of the engine’s ranks',
  },
  ranks_absent: {
    status: 'fail',
    check: 'ranks',
    means: 'More ranks are configured than the engine has.',
    advice: 'set kvEvents.ranks to the number of the engine’s ranks',
  },
  rank_of_another: {
    status: 'fail',
    check: 'ranks',
    means: 'The events of a port say that they are another rank’s: requests are sent to the wrong rank.',
    advice: 'write the port of rank 0 into kvEvents.port',
  },
  replay_none: {
    status: 'warn',
    check: 'replay',
    means:
      'No replay port: after a gap, or a restart of the router, what the pod holds has to be learned again.',
    advice:
      'give the engine a replay_endpoint in --kv-events-config, and write its port into kvEvents.replayPort',
  },
  replay_unreachable: {
    status: 'fail',
    check: 'replay',
    means: 'The replay port of a rank does not answer.',
    advice: 'check replay_endpoint in --kv-events-config (vLLM’s default is none) and that the port is open',
  },
  replay_foreign: {
    status: 'fail',
    check: 'replay',
    means:
      'A batch that came live has other bytes in the replay, or is not in it: the replay is another process’s.',
    advice: 'write the replay port of the same rank of the same engine into kvEvents.replayPort',
  },
  prefix_caching_off: {
    status: 'fail',
    check: 'blocks',
    means:
      'The engine says that its prefix cache is off: no request is ever served warm, and no events come.',
    advice: 'start it with --enable-prefix-caching; some pooling and hybrid models have none',
  },
  block_size_differs: {
    status: 'warn',
    check: 'blocks',
    means:
      'Events have blocks of another size than the engine’s metrics say: the port may be another engine’s, or a cache beside the engine announces chunks of its own.',
    advice: 'check that the event port is this engine’s; what LMCache announces does not count',
  },
  blocks_large: {
    status: 'warn',
    check: 'blocks',
    means: 'Blocks are so large that shorter prompts are never matched: a hybrid model’s, most often.',
    advice: 'nothing, where prompts are long; else see the engine’s --block-size and --mamba-cache-mode',
  },
  events_unreadable: {
    status: 'fail',
    check: 'events',
    means: 'What comes on the event port cannot be read as KV-cache events.',
    advice:
      'check that the port is the engine’s event port, and that the engine’s version is supported (docs/events.md)',
  },
  events_silent: {
    status: 'fail',
    check: 'events',
    means:
      'The engine answered a prompt and announced no block of anything: events are off, or come from elsewhere.',
    advice:
      'check enable_kv_cache_events and the port; that prefix caching is on; and WARMROUTE_KV_EVENTS_TOPIC, if it is set',
  },
  tokens_none: {
    status: 'fail',
    check: 'tokens',
    means:
      'Neither a render endpoint nor `/tokenize` gives tokens: prompts of this pod are routed by what was sent before.',
    advice:
      'where nothing answers at the address that was asked, correct AIBRIX_VLLM_TOKENIZER_ENDPOINT_TEMPLATE; vLLM: --enable-scale-out for the render endpoints (0.30 and later), and its /tokenize must not be hidden',
  },
  tokens_slow: {
    status: 'warn',
    check: 'tokens',
    means: 'A short prompt took more of the time for a decision than half to tokenize: long ones go by load.',
    advice:
      'raise WARMROUTE_DECISION_TIMEOUT_MS (and Envoy’s message_timeout above it), or give the API server more CPU',
  },
  prompt_refused: {
    status: 'warn',
    check: 'parity',
    means:
      'The engine did not serve the small prompt that was sent to see its blocks, so that these were not compared.',
    advice: 'look at the engine’s log; leave the prompt out with --no-completion',
  },
  prompt_unannounced: {
    status: 'fail',
    check: 'parity',
    means:
      'Blocks were announced, and not those of the prompt that was sent: the events are another engine’s, or lag far behind.',
    advice:
      'check that address, port and event port are those of one engine, and not of a Service with several behind it',
  },
  tokens_differ: {
    status: 'fail',
    check: 'parity',
    means:
      'The engine computed other tokens than it gives when it is asked to tokenize the same request: no such request is ever matched.',
    advice:
      'see docs/architecture.md#how-a-prompt-gets-its-tokens for what /tokenize cannot express; turn the render endpoints on (--enable-scale-out)',
  },
  chain_unknown: {
    status: 'fail',
    check: 'parity',
    means:
      'The announced tokens are those of the prompt, and its blocks are still not found: the events say something that is not understood.',
    advice: 'compare the engine’s version with docs/events.md, and report the line with the engine’s version',
  },
  two_pods_one_address: {
    status: 'fail',
    check: 'addresses',
    means:
      'Two pods have one address and port: what one of them holds is claimed for both, and load is counted apart.',
    advice: 'leave one of them; the ranks of one engine are one pod with kvEvents.ranks',
  },
  two_pods_one_event_port: {
    status: 'fail',
    check: 'addresses',
    means: 'Two pods have one event port: one of them is believed to hold what the other holds.',
    advice: 'give each pod the event port of its own engine',
  },
  adapter_clash: {
    status: 'warn',
    check: 'names',
    means:
      'An adapter has the name of another model, or engines of two models serve adapters of one name: requests for it go to one model’s pods.',
    advice: 'rename one of them (--lora-modules), or serve both under names that differ',
  },
  pods_tokenize_apart: {
    status: 'fail',
    check: 'agreement',
    means:
      'Pods of one model tokenize one request differently: what one holds is never found with the tokens of the other.',
    advice:
      'start all pods of a model with the same model revision, tokenizer, --chat-template and engine version',
  },
  not_examined: {
    status: 'fail',
    check: 'time',
    means: 'The time was over before this was done.',
    advice: 'give more of it (--timeout), or look at one pod (--pod)',
  },
} as const satisfies Record<string, Problem>;

export const podProblem = findingsOf(POD_PROBLEMS);
