/** Whether an engine has put itself to sleep, from what it answers. vLLM has both pages; most engines have neither. */

/** vLLM's `GET /is_sleeping`, which it has in development mode: `{"is_sleeping": true}`. undefined: it says nothing of it. */
export function readIsSleeping(text: string): boolean | undefined {
  try {
    const { is_sleeping } = JSON.parse(text) as { readonly is_sleeping?: unknown };
    return typeof is_sleeping === 'boolean' ? is_sleeping : undefined;
  } catch {
    return undefined;
  }
}

const AWAKE = /^vllm:engine_sleep_state\{[^}]*sleep_state="awake"[^}]*\} (\S+)/gm;

/**
 * vLLM's metric, `vllm:engine_sleep_state{engine="0",sleep_state="awake"} 1.0`, one per engine behind the port: asleep when one
 * of them is not awake. undefined: there is no such metric.
 */
export function readSleepMetric(text: string): boolean | undefined {
  const states = Array.from(text.matchAll(AWAKE), match => Number(match[1]));
  return states.length === 0 ? undefined : states.some(awake => awake === 0);
}
