import { describe, expect, it } from '@jest/globals';
import { searchedWords } from './search-words.js';

describe('the words of a search', () => {
  it.each([
    ['orders', 'orders:*'],
    ['shop-prod  env=prod', 'shop:* & prod:* & env:* & prod:*'],
    ['müşteri İzmir', 'müşteri:* & İzmir:*'],
    [`o'); DROP TABLE x | !a & b:A*\\`, 'o:* & DROP:* & TABLE:* & x:* & a:* & b:* & A:*'],
  ])('of %j are %j', (text, words) => expect(searchedWords(text).join(' & ')).toBe(words));

  it('are none where only signs were given', () => expect(searchedWords('-- & !')).toEqual([]));
});
