import type { ErrorShape, ModelEntry } from '../domain.ts';
import type { OwnAnswer } from './client-errors.ts';

/** When a model was made is not known; the same each time and from each replica. Anthropic's own word for it is the epoch, too. */
const CREATED_SECONDS = 0;
const CREATED_AT = '1970-01-01T00:00:00Z';

/** All models of all pods as one engine would list its own, in the shape of the client's API. Not in pages. */
export function modelListAnswer(models: readonly ModelEntry[], shape: ErrorShape): OwnAnswer {
  const data = models.map(entry => modelIn(entry, shape));
  return answerWith(
    shape === 'openai'
      ? { object: 'list', data }
      : { data, has_more: false, first_id: models[0]?.id ?? null, last_id: models.at(-1)?.id ?? null },
  );
}

export function modelAnswer(model: ModelEntry, shape: ErrorShape): OwnAnswer {
  return answerWith(modelIn(model, shape));
}

function modelIn({ id, root }: ModelEntry, shape: ErrorShape): object {
  return shape === 'openai'
    ? { id, object: 'model', created: CREATED_SECONDS, owned_by: 'warmroute', root }
    : { type: 'model', id, display_name: id, created_at: CREATED_AT };
}

function answerWith(content: object): OwnAnswer {
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(content),
    details: 'warmroute_models',
  };
}
