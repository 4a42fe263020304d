import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { assert } from 'chai';
import { CHART, PROJECT, VALUES_SCHEMA } from '../../scripts/chart/files.ts';
import { generatedFiles } from '../../scripts/chart/generate.ts';
import type { Schema } from '../../scripts/chart/schema.ts';
import { type Described, describedValues } from '../../scripts/chart/values.ts';
import { imageName, readPackage } from '../../scripts/release/checks.ts';
import { SETTINGS, type Setting, WITHOUT_EFFECT } from '../../src/settings/settings.ts';

const settings = Object.values<Setting<unknown>>(SETTINGS);

describe('the Helm chart', () => {
  let values: readonly Described[];
  let schema: Schema;

  before(async () => {
    values = await describedValues();
    schema = JSON.parse(await readFile(VALUES_SCHEMA, 'utf8'));
  });

  it('has the generated files that belong to it: run `npm run generate` after a change', async () => {
    for (const [path, text] of Object.entries(await generatedFiles()))
      assert.equal(await readFile(path, 'utf8'), text, path);
  });

  it('describes every value, and has a schema for each, and a value for each schema', () => {
    const compare = (
      path: string,
      described: readonly Described[],
      properties: Schema['properties'] = {},
    ) => {
      const named = Object.keys(properties).filter(name => !UNSAID.has(`${path}${name}`));
      if (path !== 'config.')
        assert.sameMembers(
          described.map(({ name }) => name),
          named,
          path,
        );
      for (const { name, description, members } of described) {
        assert.isNotEmpty(description, `${path}${name} has no comment in values.yaml`);
        if (members.length > 0) compare(`${path}${name}.`, members, properties[name]?.properties);
      }
    };
    compare('', values, schema.properties);
  });

  it('takes its image from where releases are pushed', async () => {
    const { repository } = await readPackage(PROJECT);
    const image = values
      .find(({ name }) => name === 'image')
      ?.members.find(({ name }) => name === 'repository');
    assert.equal(image?.fallback, imageName(repository.url));
  });

  it('takes the settings that there are, and no others', () => {
    const config = schema.properties?.config;
    assert.isFalse(config?.additionalProperties);
    assert.sameMembers(Object.keys(config?.properties ?? {}), [
      // A secret is none of the Deployment's.
      ...settings.flatMap(({ names }) => names).filter(name => name !== 'HF_TOKEN'),
      ...WITHOUT_EFFECT.map(({ name }) => name).filter(name => !name.endsWith('*')),
    ]);
    const families = WITHOUT_EFFECT.filter(({ name }) => name.endsWith('*'));
    assert.sameMembers(
      Object.keys(config?.patternProperties ?? {}),
      families.map(({ name }) => `^${name.slice(0, -1)}`),
    );
  });

  it('asks in templates for settings that exist', async () => {
    const known = new Set(settings.flatMap(({ names }) => names));
    for (const file of globSync('templates/*', { cwd: CHART })) {
      const text = await readFile(`${CHART}/${file}`, 'utf8');
      for (const [, name] of text.matchAll(/"((?:WARMROUTE|AIBRIX|OTEL)_[A-Z_]+)"/g))
        assert.include(known, name, file);
    }
  });

  describe('bounds values as the program does', () => {
    for (const { names, fallback, read } of settings) {
      it(names[0], () => {
        const { type, enum: choices, minimum, maximum, pattern } = (read.meta() ?? {}) as Schema;
        const takes = (text: string) => read.safeParse(text).success;
        if (fallback !== undefined) assert.isTrue(takes(fallback));
        if (pattern !== undefined && fallback !== undefined) assert.match(fallback, new RegExp(pattern));
        for (const choice of choices ?? []) assert.isTrue(takes(String(choice)), String(choice));
        if (choices) assert.isFalse(takes('something else'));
        if (type === 'boolean') assert.isTrue(takes('true') && takes('false') && !takes('maybe'));
        if (minimum !== undefined) assert.isTrue(takes(`${minimum}`) && !takes(`${minimum - 1}`));
        if (maximum !== undefined) assert.isTrue(takes(`${maximum}`) && !takes(`${maximum + 1}`));
      });
    }
  });
});

/** Allowed, and not in values.yaml. */
const UNSAID = new Set(['global']);
