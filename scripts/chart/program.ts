/** What the chart knows of the program: its settings, and the headers that no client may send. */
import { DEBUG, FORGEABLE, ORIGINAL_DST_HOST, REQUEST_ID } from '../../src/extproc/headers.ts';
import { SETTINGS, type Setting, WITHOUT_EFFECT } from '../../src/settings/settings.ts';
import { secret } from '../../src/settings/values.ts';
import { type Schema, strict } from './schema.ts';

const settings = Object.values<Setting<unknown>>(SETTINGS);

/** Removed by Envoy before routing, so also while no router is there. The wish to see the decision has to reach the router. */
export const REMOVED_EARLY: readonly string[] = [
  ...FORGEABLE.filter(name => name !== DEBUG),
  REQUEST_ID,
  ORIGINAL_DST_HOST,
];

/** The text of generated.json, which templates read. */
export function generatedJson(): string {
  const defaults = Object.fromEntries(
    settings.flatMap(({ names, fallback }) => (fallback ? [[names[0], fallback]] : [])),
  );
  return json({ defaults, removedEarly: REMOVED_EARLY });
}

/** The schema of `config`: one property per name of a setting, of the kind that its reader takes; null leaves it unset. */
export function configSchema(): Schema {
  // A secret would stand in the Deployment for all to read who may see that.
  const known = settings
    .filter(({ read }) => read !== secret)
    .flatMap(({ names, purpose, read }) =>
      names.map(name => [
        name,
        { description: purpose, ...nullable((read.meta() ?? { type: 'string' }) as Schema) },
      ]),
    );
  const accepted = WITHOUT_EFFECT.map(({ name, why }): [string, Schema] => [
    name,
    { description: `Without effect: ${why}.`, type: ['string', 'integer', 'boolean', 'null'] },
  ]);
  const [families, names] = [true, false].map(isFamily =>
    accepted.filter(([name]) => name.endsWith('*') === isFamily),
  );
  return {
    ...strict(Object.fromEntries([...known, ...names!]) as Record<string, Schema>),
    patternProperties: Object.fromEntries(families!.map(([name, each]) => [`^${name.slice(0, -1)}`, each])),
  };
}

function nullable({ type, enum: values, ...rest }: Schema): Schema {
  return {
    type: [type, 'null'].flat() as string[],
    ...(values ? { enum: [...values, '', null] } : {}),
    ...rest,
  };
}

export const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
