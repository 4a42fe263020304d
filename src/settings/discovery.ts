/** Where the pods are that requests may go to. */
import { type Setting, setting } from './setting.ts';
import { anyText, listOf, MAX_TIMER_MS, namespaces, qualifiedName, wholeNumber } from './values.ts';

export const DISCOVERY = {
  discovery: setting(
    'Warmroute',
    ['WARMROUTE_DISCOVERY'],
    undefined,
    'sources',
    listOf(['file', 'kubernetes', 'inference-pool']),
    'Where pods are known from, one or several with commas: `file` (the pods file), `kubernetes` (pods by their labels), `inference-pool` (the pods of an InferencePool). Unset: `file`, where `WARMROUTE_PODS_FILE` is set. See [kubernetes.md](kubernetes.md).',
  ),
  podsFile: setting(
    'Warmroute',
    ['WARMROUTE_PODS_FILE'],
    undefined,
    'path',
    anyText,
    'The pods, YAML or JSON; read again when it changes.',
  ),
  kubernetesSelector: setting(
    'Warmroute',
    ['WARMROUTE_KUBERNETES_SELECTOR'],
    'model.aibrix.ai/name',
    'selector',
    anyText,
    'With `kubernetes`: which pods are engines, as a label selector of Kubernetes. Whoever may create such pods gets prompts.',
  ),
  kubernetesNamespaces: setting(
    'Warmroute',
    ['WARMROUTE_KUBERNETES_NAMESPACES'],
    undefined,
    'namespaces',
    namespaces,
    'With `kubernetes`: where they are looked for, several with commas; `*` for all. Unset: the namespace of Warmroute itself.',
  ),
  inferencePool: setting(
    'Warmroute',
    ['WARMROUTE_INFERENCE_POOL'],
    undefined,
    'name',
    qualifiedName,
    'With `inference-pool`: the InferencePool, as `namespace/name`, or `name` in the namespace of Warmroute itself.',
  ),
  modelsRefreshMs: setting(
    'Warmroute',
    ['WARMROUTE_MODELS_REFRESH_MS'],
    '10000',
    'ms',
    wholeNumber(100, MAX_TIMER_MS),
    'How often engines that are known from Kubernetes are asked for `GET /v1/models`, which says whose LoRA adapters have come and gone; more seldom where there are more than 500 pods at 10,000 ms.',
  ),
} as const satisfies Record<string, Setting<unknown>>;
