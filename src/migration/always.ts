import { type Finding, finding } from './finding.ts';

/** What differs whatever is deployed. docs/migrating-from-aibrix.md has each of them by the same name, with its reason. */
export const ALWAYS: readonly Finding[] = [
  finding(
    'dropped',
    'rate limits',
    'RPM and TPM per `user`, and requests per second per model, are not counted',
  ),
  finding('dropped', 'API keys', 'clients are Envoy’s to authenticate'),
  finding('dropped', 'prefill/decode disaggregation', 'the strategy pd is answered 400'),
  finding('dropped', 'queues by service level', 'the strategies slo* are answered 400'),
  finding('dropped', 'other strategies', 'vtc-basic and prefix-cache-preble are answered 400'),
  finding('dropped', 'Redis', 'prefixes are not shared among replicas: each learns from the engines’ events'),
  finding(
    'dropped',
    'config profiles',
    '`model.aibrix.ai/config` and the header config-profile are not read',
  ),
  finding('dropped', 'waking engines', 'engines that sleep are not woken by a request'),
  finding('dropped', 'xDiT', 'paths of images and videos are not rewritten'),
  finding('dropped', 'GPU optimizer', 'it gets no traces and profiles of requests'),
  finding('differs', 'prompts that cannot be tokenized', 'are routed by load; AIBrix answers 503'),
  finding('differs', 'unknown models', 'are answered 404, as engines do; AIBrix answers 400'),
  finding('differs', 'unknown paths', 'go on by the gateway’s routes; AIBrix answers 501'),
  finding('differs', 'paths that change one engine', 'are answered 403 (WARMROUTE_ALLOWED_PATHS)'),
  finding('differs', 'errors of engines', 'reach the client as they are; AIBrix rewrites them'),
  finding(
    'differs',
    'checks of bodies',
    'are the engine’s: limits of embeddings, stream_options, missing fields',
  ),
  finding(
    'differs',
    'response headers',
    'x-went-into-req-headers is not set; target-pod is `namespace/name`',
  ),
  finding('differs', 'headers of clients', 'target-pod and others that choose a pod are removed'),
  finding('differs', 'load', 'each replica counts its own requests'),
  finding(
    'differs',
    'what a pod holds',
    'is in the engine’s own blocks, contiguous, per pod and rank, with replay',
  ),
  finding('differs', 'LoRA adapters', 'have blocks of their own; in AIBrix they never match events'),
  finding('differs', 'block size with events', 'is the engines’ own'),
  finding('differs', 'failing engines', 'are not picked while another one serves the model'),
  finding('differs', 'retries', 'two other pods are named, for Envoys that retry'),
  finding('differs', 'the end of a replica', 'ends no stream; AIBrix cuts those under way'),
  finding('differs', 'readiness', 'waits until pods are known and what they hold is learned'),
  finding(
    'differs',
    'port 8080',
    '/v1/models and /debug are for clients on the same host (WARMROUTE_ADMIN_DEBUG)',
  ),
  finding('differs', 'port 6060', 'nobody listens: there is no pprof'),
  finding('differs', 'rights', 'get, list and watch on pods, and nothing else'),
];
