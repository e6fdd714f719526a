/** Which record a secret belongs to; part of the associated data, so a sealed value moved elsewhere doesn't open (design.md §8). */
export interface SecretPlace {
  organization: string;
  record: string;
  field: string;
}

/** Envelope encryption of credentials at rest: AES-256-GCM data keys under a key-encryption key. */
export interface SecretBox {
  seal(plaintext: Buffer | string, place: SecretPlace): string;
  /** Throws `internal` when the value was tampered with or moved. */
  open(sealed: string, place: SecretPlace): Buffer;
}

/** X25519 key pair of a worker pool; the public half is base64. HPKE base mode, bound to `binding` (e.g. `run_…/1`). */
export interface PoolKey {
  publicKey: string;
  open(sealed: string, binding: string): Promise<Buffer>;
}
