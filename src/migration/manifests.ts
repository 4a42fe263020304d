import { LineCounter, parseAllDocuments } from 'yaml';
import { at, isRecord, type KubeObject, listAt, textAt, type Unreadable } from './kube-object.ts';

/** What one input says. With any problem, nothing of it counts. */
export interface ReadManifests {
  readonly objects: readonly KubeObject[];
  readonly problems: readonly Unreadable[];
}

const MAX_PROBLEMS = 10;

/**
 * Reads manifests: YAML documents or JSON, each an object or a List of them, as `kubectl get -o yaml` prints them. May take for
 * ever: call it on a thread of its own.
 */
export function readManifests(text: string): ReadManifests {
  const objects: KubeObject[] = [];
  const problems: Unreadable[] = [];
  const json = parseJson(text);
  if (json !== undefined) {
    collect('the document', json, objects, problems);
    return { objects, problems: problems.slice(0, MAX_PROBLEMS) };
  }
  const lines = new LineCounter();
  // Merge keys (`<<`) are what kubectl reads, too. Aliases are bounded by the library.
  const documents = parseAllDocuments(text, { merge: true, lineCounter: lines, logLevel: 'silent' });
  for (const [index, document] of documents.entries()) {
    const place = documents.length === 1 ? 'the document' : `document ${index + 1}`;
    const error = document.errors[0];
    if (error !== undefined) {
      problems.push({
        place: `${place}, line ${lines.linePos(error.pos[0]).line}`,
        reason: wordsOf(error.message),
      });
      continue;
    }
    let content: unknown;
    try {
      content = document.toJS();
    } catch (cause) {
      problems.push({ place, reason: (cause as Error).message });
      continue;
    }
    if (content === null || content === undefined) continue;
    collect(place, content, objects, problems);
  }
  return { objects, problems: problems.slice(0, MAX_PROBLEMS) };
}

/** JSON is YAML, too, and a hundred times as quick to read as such; undefined: it is none. */
function parseJson(text: string): unknown {
  if (!/^\s*\{/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function wordsOf(message: string): string {
  const [words = ''] = message.split(/ at line |:\n|\n/);
  return `is no YAML: ${words}; of a Helm chart, give what \`helm template\` or \`helm get manifest\` prints`;
}

function collect(place: string, content: unknown, objects: KubeObject[], problems: Unreadable[]): void {
  const apiVersion = textAt(content, 'apiVersion');
  const kind = textAt(content, 'kind');
  if (!isRecord(content) || apiVersion === undefined || kind === undefined) {
    problems.push({ place, reason: 'is no object of the Kubernetes API: apiVersion or kind is missing' });
    return;
  }
  if (Array.isArray(at(content, 'items')) && kind.endsWith('List')) {
    // Within a list of one kind items have neither where they come from a client library.
    const itemKind = kind.replace(/List$/, '');
    for (const [i, item] of listAt(content, 'items').entries()) {
      const named = isRecord(item) && itemKind !== '' ? { apiVersion, kind: itemKind, ...item } : item;
      if (isRecord(item) && textAt(item, 'kind')?.endsWith('List')) {
        problems.push({ place: `${place}, item ${i + 1}`, reason: 'is a list in a list' });
      } else collect(`${place}, item ${i + 1}`, named, objects, problems);
    }
    return;
  }
  const name = textAt(content, 'metadata', 'name');
  if (name === undefined) {
    problems.push({ place: `${place} (${kind})`, reason: 'has no metadata.name' });
    return;
  }
  const namespace = textAt(content, 'metadata', 'namespace') ?? 'default';
  objects.push({ apiVersion, kind, name, namespace, raw: content });
}
