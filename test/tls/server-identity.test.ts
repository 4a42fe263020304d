import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from 'chai';
import { type FollowedIdentity, followIdentity, type IdentityFact } from '../../src/tls/server-identity.ts';
import { type Authority, createAuthority, type Issued, type Validity } from '../support/certificates.ts';
import { HandClock } from '../support/hand-clock.ts';
import { Inbox } from '../support/inbox.ts';

const DAY_MS = 86_400_000;
const SETTLE_MS = 10;

describe('The identity of a server', () => {
  let authority: Authority;
  let folder: string;
  let facts: Inbox<IdentityFact>;
  let followed: FollowedIdentity | undefined;

  before(async () => {
    authority = await createAuthority();
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'warmroute-tls-'));
    facts = new Inbox();
    followed = undefined;
  });
  afterEach(async () => {
    await followed?.stop();
    await rm(folder, { recursive: true });
  });

  const at = (name: string) => join(folder, name);
  /** At once, so that nothing is seen in between. */
  async function write(name: string, text: string): Promise<void> {
    await writeFile(at(`${name}.new`), text);
    await rename(at(`${name}.new`), at(name));
  }
  const file = (setting: string, name: string) => ({ setting, path: at(name) });

  async function writePair(validity?: Partial<Validity>): Promise<Issued> {
    const issued = await authority.issue(validity);
    await write('tls.crt', issued.cert);
    await write('tls.key', issued.key);
    return issued;
  }

  async function follow(
    options: Partial<Parameters<typeof followIdentity>[0]> = {},
  ): Promise<FollowedIdentity> {
    followed = await followIdentity({
      source: { cert: file('CERT', 'tls.crt'), key: file('KEY', 'tls.key'), clientCa: undefined },
      onFact: fact => facts.push(fact),
      settleMs: SETTLE_MS,
      pollEveryMs: 50,
      ...options,
    });
    return followed;
  }

  async function changedTo({ serialNumber, cert, key }: Issued): Promise<void> {
    await facts.until(fact => fact.kind === 'changed' && fact.certificate.serialNumber === serialNumber);
    assert.equal(followed?.certificate.serialNumber, serialNumber);
    assert.deepInclude(followed?.current, { cert, key });
  }

  it('is in the files, and changes when they do', async () => {
    const first = await writePair();
    const { certificate } = await follow();
    assert.equal(certificate.serialNumber, first.serialNumber);
    await changedTo(await writePair());
    await changedTo(await writePair());
  });

  it('changes with the link behind which Kubernetes mounts a secret', async () => {
    const mount = async (name: string) => {
      const issued = await authority.issue();
      await mkdir(at(name));
      await write(join(name, 'tls.crt'), issued.cert);
      await write(join(name, 'tls.key'), issued.key);
      await symlink(name, at('..data_tmp'));
      await rename(at('..data_tmp'), at('..data'));
      return issued;
    };
    await mount('..2026_1');
    await symlink('..data/tls.crt', at('tls.crt'));
    await symlink('..data/tls.key', at('tls.key'));
    // No poll: the directory tells.
    await follow({ pollEveryMs: 600_000 });
    const next = await mount('..2026_2');
    await rm(at('..2026_1'), { recursive: true });
    await changedTo(next);
    assert.deepEqual(
      facts.all.map(({ kind }) => kind),
      ['changed'],
    );
  });

  it('stays while the files are of two pairs, and says so once', async () => {
    const first = await writePair();
    const { current } = await follow();
    const next = await authority.issue();
    await write('tls.crt', next.cert);
    const kept = await facts.next();
    assert.deepEqual(kept, {
      kind: 'kept',
      problem: 'the certificate of CERT is not that of the key of KEY',
    });
    assert.equal(followed?.certificate.serialNumber, first.serialNumber);
    assert.equal(followed?.current, current);
    await write('tls.key', next.key);
    await changedTo(next);
    assert.deepEqual(
      facts.all.map(({ kind }) => kind),
      ['kept', 'changed'],
    );
  });

  it('stays while a file is gone', async () => {
    await writePair();
    await follow();
    await rm(at('tls.key'));
    const kept = await facts.next();
    assert.equal(kept.kind, 'kept');
    assert.match(JSON.stringify(kept), /KEY: ENOENT/);
    await changedTo(await writePair());
  });

  it('does not go from one that holds to one that has ended', async () => {
    const first = await writePair();
    await follow();
    await writePair({ endsAt: Date.now() - DAY_MS });
    assert.include(JSON.stringify(await facts.next()), 'has ended');
    assert.equal(followed?.certificate.serialNumber, first.serialNumber);
  });

  it('has the authorities of clients, which change as well', async () => {
    const own = await authority.issue();
    await write('ca.crt', authority.ca);
    const text = (setting: string, pem: string) => ({ setting, text: pem });
    await follow({
      source: { cert: text('TLS', own.cert), key: text('TLS', own.key), clientCa: file('CA', 'ca.crt') },
    });
    assert.equal(followed?.current.clientCa, authority.ca);
    const other = await createAuthority('another one');
    await write('ca.crt', `${authority.ca}${other.ca}`);
    await changedTo(own);
    assert.equal(followed?.current.clientCa, `${authority.ca}${other.ca}`);
    await write('ca.crt', 'soon');
    assert.include(JSON.stringify(await facts.next()), 'CA: there is no PEM certificate');
    assert.equal(followed?.current.clientCa, `${authority.ca}${other.ca}`);
  });

  it('is refused at the start when the files cannot be used', async () => {
    const failed = async () => String(await follow().catch((error: unknown) => error));
    assert.match(await failed(), /CERT: ENOENT/);
    const { cert } = await writePair();
    await write('tls.key', cert);
    assert.match(await failed(), /KEY: there is no PEM private key/);
  });

  it('does not begin when the start is ended', async () => {
    await writePair();
    const ended = new Error('SIGTERM');
    const error: unknown = await follow({ ending: AbortSignal.abort(ended) }).catch(
      (reason: unknown) => reason,
    );
    assert.equal(error, ended);
  });

  describe('with a clock', () => {
    const MINUTE_MS = 60_000;

    for (const [what, days, soonDays] of [
      ['a week before the end', 90, 7],
      ['when a fifth of its time is left', 10, 2],
    ] as const) {
      it(`warns ${what}, and at the end, once each`, async () => {
        const now = Math.floor(Date.now() / 1_000) * 1_000;
        const clock = new HandClock(now);
        const issued = await writePair({ beginsAt: now, endsAt: now + days * DAY_MS });
        // Settling and polling are on the same clock, and nothing changes.
        await follow({ sleep: clock.sleep, now: clock.now, pollEveryMs: Number.MAX_SAFE_INTEGER });
        const told = () => facts.all.map(({ kind }) => kind);
        const look = async (ms: number) => {
          const slept = clock.sleeps.all.length;
          clock.advance(ms);
          while (clock.sleeps.all.length === slept) await new Promise(setImmediate);
        };
        await look((days - soonDays) * DAY_MS);
        assert.deepEqual(told(), []);
        await look(MINUTE_MS);
        await look(MINUTE_MS);
        assert.deepEqual(told(), ['ends_soon']);
        await look(soonDays * DAY_MS);
        await look(MINUTE_MS);
        assert.deepEqual(told(), ['ends_soon', 'ended']);
        assert.equal(followed?.certificate.serialNumber, issued.serialNumber);
      });
    }

    it('is served all the same when it has ended before the start', async () => {
      await writePair({ endsAt: Date.now() - MINUTE_MS });
      await follow();
      assert.equal((await facts.next()).kind, 'ended');
      await changedTo(await writePair());
    });
  });
});
