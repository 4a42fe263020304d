/**
 * Every setting there is: name, default, unit, check and what it is for. `docs/configuration.md` is generated from this
 * table. Names that start with AIBRIX_, and ROUTING_ALGORITHM, are AIBrix's own and mean what they mean there.
 */
import { AIBRIX } from './aibrix.ts';
import { COSTS } from './costs.ts';
import { DISCOVERY } from './discovery.ts';
import { DOORS } from './doors.ts';
import { ENGINES } from './engines.ts';
import { HUGGING_FACE } from './hugging-face.ts';
import { OPENTELEMETRY } from './opentelemetry.ts';
import { RECORDING } from './recording.ts';
import { REQUESTS } from './requests.ts';
import { ROLLOUT } from './rollout.ts';
import type { Setting } from './setting.ts';
import { TLS } from './tls.ts';
import { TOKENIZERS } from './tokenizers.ts';
import { WORTH } from './worth.ts';
import { ZONES } from './zones.ts';

export type { Setting } from './setting.ts';
export { WITHOUT_EFFECT, type WithoutEffect, withoutEffect } from './without-effect.ts';

export const SETTINGS = {
  ...DISCOVERY,
  ...DOORS,
  ...TLS,
  ...REQUESTS,
  ...COSTS,
  ...ROLLOUT,
  ...WORTH,
  ...RECORDING,
  ...ZONES,
  ...ENGINES,
  ...TOKENIZERS,
  ...AIBRIX,
  ...HUGGING_FACE,
  ...OPENTELEMETRY,
} as const satisfies Record<string, Setting<unknown>>;
