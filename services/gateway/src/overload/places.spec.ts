import { describe, expect, it } from '@jest/globals';
import { answerOfATest as answer } from '../testing/answer-of-a-test.js';
import { placeClassOf } from './place-class.js';
import { Places, type PlaceRules } from './places.js';

const open = (change: Partial<PlaceRules>, refused?: () => void) =>
  new Places({ what: 'log-ins', most: 2, mostWaiting: 4, longestWaitMs: 10_000, ...change }, refused);

describe('places', () => {
  it('are for so many at once, the next one enters when one is answered, and who waits too long or one too many is sent away', async () => {
    let refused = 0;
    const places = open({ longestWaitMs: 50 }, () => (refused += 1));
    const [first, second, third] = [answer(), answer(), answer()];
    await places.enter('a', first);
    await places.enter('b', second);
    let entered = false;
    const turn = places.enter('a', third).then(() => (entered = true));
    await Promise.resolve();
    expect([entered, places.inFlight, places.waiting]).toEqual([false, 2, 1]);
    first.close();
    await turn;
    const late = answer();
    await expect(places.enter('a', late)).rejects.toMatchObject({ code: 'overloaded', message: 'Too many log-ins are under way.' });
    expect(late.headers.get('Retry-After')).toBe('2');
    const crowd = Array.from({ length: 5 }, () => places.enter('a', answer()).catch((error: { code: string }) => error.code));
    // One too many: at once, while the others wait.
    expect([await crowd.at(-1), places.waiting]).toEqual(['overloaded', 4]);
    await Promise.all(crowd);
    expect([refused, places.waiting]).toEqual([6, 0]);
    second.close();
    third.close();
    expect(places.inFlight).toBe(0);
  });

  it('are kept for nobody who has gone, waiting or inside', async () => {
    let refused = 0;
    const places = open({ most: 1 }, () => (refused += 1));
    const first = answer();
    await places.enter('a', first);
    const gone = answer();
    const waiting = places.enter('a', gone);
    gone.close();
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
    first.close();
    const closed = answer();
    closed.close();
    await expect(places.enter('a', closed)).rejects.toMatchObject({ code: 'cancelled' });
    expect([places.inFlight, places.waiting, refused]).toEqual([0, 0, 0]);
    await places.enter('a', answer());
  });

  it('are never all of one client, who so keeps nobody else waiting, in the line either', async () => {
    const places = open({ most: 4, mostOfOne: 2, mostWaiting: 4 });
    const own = [answer(), answer()];
    for (const one of own) await places.enter('greedy', one);
    const outcomes: string[] = [];
    const wait = (client: string) =>
      void places.enter(client, answer()).then(
        () => outcomes.push(client),
        (error: { code: string }) => outcomes.push(error.code),
      );
    for (let turn = 0; turn < 3; turn++) wait('greedy');
    await new Promise(setImmediate);
    // Two of its requests wait, though there are places; the third may not even do that.
    expect([outcomes.splice(0), places.inFlight, places.waiting]).toEqual([['overloaded'], 2, 2]);
    await places.enter('other', answer());
    own[0]!.close();
    await new Promise(setImmediate);
    expect([outcomes, places.inFlight]).toEqual([['greedy'], 3]);
  });

  it('are given back and taken by turns until nobody is left, whatever the order', async () => {
    const places = open({ most: 3, mostOfOne: 2, mostWaiting: 100 });
    let [most, served] = [0, 0];
    await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const response = answer();
        await places.enter(`client ${index % 3}`, response);
        most = Math.max(most, places.inFlight);
        await new Promise((resolve) => setTimeout(resolve, (index * 7) % 5));
        served += 1;
        response.close();
      }),
    );
    expect([most, served, places.inFlight, places.waiting]).toEqual([3, 60, 0, 0]);
  });
});

describe('whose places a request takes', () => {
  it.each([
    ['GET', '/api/v2/plans', 'read'],
    ['PATCH', '/api/v2/plans/plan_1', 'write'],
    ['GET', '/api/v2/search?q=a', 'heavy'],
    ['POST', '/api/v2/runs/run_1/cancel', 'urgent'],
    ['POST', '/API/v2/Runs/run_1/Cancel/?x=1', 'urgent'],
    ['POST', '/api/v2/runs/run_1/pause', 'write'],
    ['DELETE', '/api/v2/sessions/current', 'urgent'],
    ['POST', '/api/v2/device-logins/token', 'urgent'],
    ['POST', '/api/v2/sessions', undefined],
    ['GET', '/api/v2/events', undefined],
    ['GET', '/api/v2/runs/run_1/events', undefined],
    ['GET', '/', undefined],
    ['GET', '/api/openapi.json', undefined],
    ['POST', '/internal/v1/authenticate', undefined],
  ])('%s %s: %s', (method, url, expected) => expect(placeClassOf(method, url)).toBe(expected));
});
