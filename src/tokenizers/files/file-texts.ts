/** What was read of a model's files, before it is understood. */

export interface FileTexts {
  /** By their names, relative to the directory. */
  readonly texts: Readonly<Record<string, string>>;
  readonly hasMistralFile: boolean;
  readonly hasMoreTemplates: boolean;
}

/** One file says something that it may not. */
export class InvalidFile extends Error {
  readonly file: string;
  constructor(file: string, reason: string) {
    super(reason);
    this.file = file;
  }
}

export type JsonMap = Readonly<Record<string, unknown>>;

export function isMap(value: unknown): value is JsonMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
