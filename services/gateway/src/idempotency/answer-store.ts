/** What a caller gets again for a request that was made before. */
export interface KeptAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

export interface ClaimedRequest {
  organization: string;
  /** Of caller, path and key together. */
  id: string;
  /** Of what was asked; another one under the same id is another request. */
  fingerprint: string;
}

export type Claim =
  /** This request is the first one; `token` proves it. */
  | { state: 'mine'; token: string }
  | { state: 'under-way' }
  /** The id belongs to a request with another fingerprint. */
  | { state: 'other' }
  /** Made before; without an answer when that was not to be kept. */
  | { state: 'done'; answer: KeptAnswer | null };

/**
 * Which requests were made, shared by all gateways. A claim that is neither renewed nor settled ends by itself after `CLAIM_SECONDS`,
 * as if it had never been; what is settled stays for `KEPT_SECONDS`. Who has lost a claim changes nothing any more.
 */
export interface AnswerStore {
  claim(request: ClaimedRequest): Promise<Claim>;
  renew(request: ClaimedRequest, token: string): Promise<void>;
  settle(request: ClaimedRequest, token: string, answer: KeptAnswer | null): Promise<void>;
  /** The request had no effect that counts and may be made again. */
  release(request: ClaimedRequest, token: string): Promise<void>;
}

/** A gateway that was killed leaves its claims behind for this long. */
export const CLAIM_SECONDS = 60;
export const KEPT_SECONDS = 24 * 60 * 60;
