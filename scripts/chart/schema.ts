/** JSON schema, as far as the chart's values need it. */
export interface Schema {
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  /** By regular expression. */
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly propertyNames?: { readonly not: { readonly enum: readonly string[] } };
}

/** No other properties than these: a misspelt one is a mistake. */
export const strict = (properties: Readonly<Record<string, Schema>>): Schema => ({
  type: 'object',
  additionalProperties: false,
  properties,
});

export const text: Schema = { type: 'string' };
export const flag: Schema = { type: 'boolean' };
export const choice = (...values: readonly string[]): Schema => ({ type: 'string', enum: values });
export const wholeNumber = (minimum: number, maximum: number): Schema => ({
  type: 'integer',
  minimum,
  maximum,
});
export const port = wholeNumber(1, 65535);
export const list = (items: Schema): Schema => ({ type: 'array', items });
/** Annotations. */
export const texts: Schema = { type: 'object', additionalProperties: { type: 'string' } };
/** The chart's own, by which its objects are found. */
const OWN_LABELS = ['name', 'instance', 'version'].map(each => `app.kubernetes.io/${each}`);
/** Labels beside the chart's own, which would stand there twice. */
export const labels: Schema = { ...texts, propertyNames: { not: { enum: OWN_LABELS } } };
/** Labels as Prometheus has them. */
export const metricLabels: Schema = {
  ...{ type: 'object', additionalProperties: false },
  patternProperties: { '^[a-zA-Z_][a-zA-Z0-9_]*$': { type: 'string' } },
};
/** A part of a Kubernetes object, which the API server checks. */
export const kubernetes: Schema = { type: 'object' };
export const kubernetesList = list(kubernetes);
