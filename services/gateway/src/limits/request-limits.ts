import { RahatError, type AuthenticatedSubject } from '@rahat/contracts';
import { networkOf } from '@rahat/service-kit';
import type { Response } from 'express';
import type { GatewayConfig } from '../config.js';
import type { EndpointClass } from './endpoint-class.js';
import type { Count, LimitCounter } from './limit-counter.js';

const WINDOW_SECONDS = 60;
const ASKS_FOR_A_TRY = 12;

/** Where the headers go; nowhere for what is asked for over a socket. */
type Told = Pick<Response, 'getHeader' | 'setHeader'>;

const NOBODY: Told = { getHeader: () => undefined, setHeader: () => undefined as never };

/** A limit as the headers name it. */
interface Policy {
  name: string;
  limit: number;
  /** Whose requests it counts. */
  who: string;
}

/**
 * Says how much of its limits a request leaves, and refuses it when that is less than nothing. An address is counted as its network, so that
 * nobody escapes a limit by drawing another one.
 */
export class RequestLimits {
  constructor(
    private readonly counter: LimitCounter,
    private readonly config: GatewayConfig,
    private readonly refused: (policy: string) => void = () => undefined,
  ) {}

  entrance(address: string): Policy {
    return { name: 'log-in', limit: this.config.RAHAT_LOGIN_TRIES_PER_MINUTE, who: networkOf(address) };
  }

  /** A device asks every five seconds: so many of one address may wait at once. */
  waitingRoom(address: string): Policy {
    return { name: 'device-log-in', limit: ASKS_FOR_A_TRY * this.config.RAHAT_LOGIN_TRIES_PER_MINUTE, who: networkOf(address) };
  }

  address(address: string): Policy {
    return { name: 'address', limit: this.config.RAHAT_GATEWAY_ADDRESS_REQUESTS_PER_MINUTE, who: networkOf(address) };
  }

  /** Of a user or API key: by the class of the endpoint, and a key's own. */
  subject({ kind, subject, requestsPerMinute }: AuthenticatedSubject, kindOfEndpoint: Exclude<EndpointClass, 'entrance'>): Policy[] {
    const limits = {
      read: this.config.RAHAT_GATEWAY_READS_PER_MINUTE,
      write: this.config.RAHAT_GATEWAY_WRITES_PER_MINUTE,
      heavy: this.config.RAHAT_GATEWAY_HEAVY_REQUESTS_PER_MINUTE,
    };
    const own = requestsPerMinute === undefined ? [] : [{ name: kind, limit: requestsPerMinute, who: subject }];
    return [{ name: kindOfEndpoint, limit: limits[kindOfEndpoint], who: subject }, ...own];
  }

  /** The same where there is no answer with headers. */
  async chargeUnseen(policies: readonly Policy[]): Promise<void> {
    await this.charge(NOBODY, policies);
  }

  /** All of a request's limits in one look. May be called again for those that show later. */
  async charge(response: Told, policies: readonly Policy[]): Promise<void> {
    const counts = await this.counter.take(policies.map(({ name, who }) => ({ key: `${name}:${who}`, windowSeconds: WINDOW_SECONDS })));
    tell(response, policies, counts);
    const exceeded = policies
      .map((policy, index) => ({ policy, count: counts[index]! }))
      .filter(({ policy, count }) => count.used > policy.limit);
    if (exceeded.length === 0) return;
    const { name } = exceeded[0]!.policy;
    const seconds = Math.max(...exceeded.map(({ count }) => count.resetSeconds));
    this.refused(name);
    response.setHeader('Retry-After', String(seconds));
    const what = name === 'log-in' ? 'Too many tries from this address' : `Too many requests (limit "${name}")`;
    throw new RahatError('rate_limited', `${what}. Try again in ${seconds} s.`);
  }
}

/** draft-ietf-httpapi-ratelimit-headers: lists of all policies that the request was counted by. */
function tell(response: Told, policies: readonly Policy[], counts: readonly Count[]): void {
  const add = (header: string, items: string[]) =>
    response.setHeader(header, [response.getHeader(header) ?? [], ...items].flat().join(', '));
  add(
    'RateLimit-Policy',
    policies.map(({ name, limit }) => `"${name}";q=${limit};w=${WINDOW_SECONDS}`),
  );
  add(
    'RateLimit',
    policies.map(({ name, limit }, index) => `"${name}";r=${Math.max(0, limit - counts[index]!.used)};t=${counts[index]!.resetSeconds}`),
  );
}
