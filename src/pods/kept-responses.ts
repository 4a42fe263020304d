/**
 * How an engine is asked whether it keeps responses of `/v1/responses`. vLLM does not say so by itself: without
 * `VLLM_ENABLE_RESPONSES_API_STORE=1` it only ignores `store`. So it is asked for a response that it cannot make: it goes on from one
 * that there is none of, which is 404 before anything is generated; in the background, which is 400 before, where nothing is kept.
 */

export const KEPT_RESPONSES_PATH = '/v1/responses';

/** @param model that the engine serves */
export function keptResponsesQuestion(model: string): string {
  return JSON.stringify({
    model,
    input: 'Are responses kept?',
    background: true,
    store: true,
    previous_response_id: 'resp_that_does_not_exist',
    max_output_tokens: 1,
  });
}

/** Only where it says so in its own words: whatever else it answers, responses may be kept. */
export function saysNoneKept(answer: { readonly status: number; readonly body: unknown }): boolean {
  return (
    answer.status === 400 && JSON.stringify(answer.body ?? '').includes('VLLM_ENABLE_RESPONSES_API_STORE')
  );
}
