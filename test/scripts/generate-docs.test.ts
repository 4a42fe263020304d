import { readFile } from 'node:fs/promises';
import { assert } from 'chai';
import { CONFIGURATION_PAGE, configurationPage } from '../../scripts/generate-docs.ts';
import { parsePodsFile } from '../../src/pods/pods-file.ts';
import { SETTINGS, type Setting, WITHOUT_EFFECT } from '../../src/settings/settings.ts';

describe('docs/configuration.md', () => {
  it('is what the generator makes: run `npm run generate` after a change of the settings', async () => {
    assert.equal(await readFile(CONFIGURATION_PAGE, 'utf8'), configurationPage());
  });

  it('has one row for each setting, with every name, the default and the meaning', () => {
    const rows = configurationPage().split('\n');
    for (const { names, fallback, unit, purpose } of Object.values<Setting<unknown>>(SETTINGS)) {
      const first = `| ${names.map(name => `\`${name}\``).join('<br>')} |`;
      const row = rows.filter(each => each.startsWith(first));
      assert.lengthOf(row, 1, names[0]);
      assert.include(row[0], `| ${fallback ? `\`${fallback}\`` : '–'} | ${unit} | ${purpose} |`);
    }
  });

  it('lists what is accepted without effect', () => {
    for (const { name, why } of WITHOUT_EFFECT)
      assert.include(configurationPage(), `- \`${name}\`: ${why}\n`);
  });

  it('shows a pods file that is valid', () => {
    const [, example] = /```yaml\n(.*?)```/s.exec(configurationPage()) ?? [];
    const parsed = parsePodsFile(example ?? '');
    assert.equal(parsed.kind, 'valid', JSON.stringify(parsed));
  });

  it('links to places that exist', () => {
    const page = configurationPage();
    const anchors = Array.from(page.matchAll(/^#+ (.*)$/gm), ([, title]) =>
      title!.toLowerCase().replaceAll(' ', '-'),
    );
    const links = Array.from(page.matchAll(/\]\(#([^)]*)\)/g), ([, anchor]) => anchor!);
    assert.isNotEmpty(links);
    assert.includeMembers(anchors, links);
  });
});
