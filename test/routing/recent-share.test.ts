import { assert } from 'chai';
import { RecentShare } from '../../src/routing/recent-share.ts';

const noted = (share: RecentShare, hits: number, misses: number) => [
  ...Array.from({ length: hits }, () => share.note(true)),
  ...Array.from({ length: misses }, () => share.note(false)),
];

describe('the share of the last 50', () => {
  it('says nothing before there are 50', () => {
    const share = new RecentShare();
    assert.isTrue(noted(share, 49, 0).every(said => said === undefined));
    assert.equal(share.note(true), 'exceeded');
    assert.deepEqual([share.hits, share.size], [50, 50]);
  });

  it('is fine up to a fifth', () => {
    const share = new RecentShare();
    noted(share, 10, 40);
    assert.isFalse(share.isExceeded);
    const other = new RecentShare();
    noted(other, 11, 38);
    assert.equal(other.note(false), 'exceeded');
  });

  it('forgets what is longer ago', () => {
    const share = new RecentShare();
    noted(share, 10, 40);
    // The hits of long ago go as these come.
    assert.isTrue(noted(share, 10, 0).every(said => said === undefined));
    assert.deepEqual([share.hits, share.size], [10, 50]);
    assert.equal(share.note(true), 'exceeded');
  });

  it('says once that it is too much, and once that it is fine again, which is at a tenth', () => {
    const share = new RecentShare();
    const said = [...noted(share, 50, 0), ...noted(share, 20, 0), ...noted(share, 0, 44), share.note(true)];
    assert.deepEqual(
      said.filter(each => each !== undefined),
      ['exceeded'],
    );
    assert.equal(share.hits, 6);
    assert.deepEqual(
      noted(share, 0, 50).filter(each => each !== undefined),
      ['fine_again'],
    );
  });
});
