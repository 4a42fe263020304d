/** A request that somebody has written down: its body alone, or an envelope with path and headers (docs/explain.md). */
import type { DryRunRequest } from './admin-client.ts';

export interface RequestFlags {
  readonly path: string | undefined;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Which path has a body with such a member, where nothing else says so. */
const PATH_BY_MEMBER = [
  ['messages', '/v1/chat/completions'],
  ['prompt', '/v1/completions'],
  ['input', '/v1/responses'],
  ['token_ids', '/inference/v1/generate'],
  ['text', '/generate'],
  ['input_ids', '/generate'],
] as const;

/** undefined: it does not say which path it is for. */
export function readRequestFile(bytes: Buffer, { path, headers }: RequestFlags): DryRunRequest | undefined {
  const content = objectIn(bytes);
  if (
    content !== undefined &&
    typeof content.path === 'string' &&
    ('body' in content || 'method' in content)
  ) {
    const envelope = {
      ...content,
      path: path ?? content.path,
      headers: { ...(content.headers as object), ...headers },
    };
    return { path: undefined, headers: {}, body: Buffer.from(JSON.stringify(envelope)) };
  }
  const found = path ?? PATH_BY_MEMBER.find(([member]) => content !== undefined && member in content)?.[1];
  return found === undefined ? undefined : { path: found, headers, body: bytes };
}

function objectIn(bytes: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
