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
/** Labels and annotations. */
export const texts: Schema = { type: 'object', additionalProperties: { type: 'string' } };
/** A part of a Kubernetes object, which the API server checks. */
export const kubernetes: Schema = { type: 'object' };
export const kubernetesList = list(kubernetes);
