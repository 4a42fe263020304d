/** Whether engines announce what was predicted of them, as metrics and log lines. */
import type { Confirmation, Doubt } from '../routing/confirmations.ts';
import type { Instruments } from './instruments/instruments.ts';
import type { Logger } from './log/log.ts';

const CAUSES =
  'another chat template or tokenizer than the pod that was asked for the tokens has, prefix caching off, KV-cache events off, or blocks of another size';

/** @param onDoubt who acts by it */
export function reportConfirmations(
  instruments: Pick<Instruments, 'confirmations'>,
  log: Logger,
  onDoubt: (doubt: Doubt) => void = () => {},
) {
  return {
    confirmation({ model, endpoint, verdict }: Confirmation): void {
      instruments.confirmations.add(1, { model, endpoint, verdict });
    },

    doubt(doubt: Doubt): void {
      const { kind, pod, ...fields } = doubt;
      onDoubt(doubt);
      const named = { ...(pod && { pod: pod.name }), ...fields };
      if (kind === 'confirmed_again')
        log.info(named, 'engines announce the prompts that they were sent again');
      else
        log.warn(
          named,
          `${pod ? 'this pod does' : 'engines do'} not announce the prompts that ${pod ? 'it was' : 'they were'} sent, so they are not found again; usual causes: ${CAUSES}`,
        );
    },
  };
}
