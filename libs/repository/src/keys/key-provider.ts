/** Which slot a key belongs to, so that a provider can bind what it seals to it. */
export interface SealedSlotPlace {
  /** Hex of the repository id. */
  repository: string;
  slot: string;
}

/** A keeper of keys outside of the repository, such as the platform's own sealing or a key management service. */
export interface KeyProvider {
  /** Stands in the slot in plain text and tells which provider can open it. */
  readonly name: string;
  seal(key: Buffer, place: SealedSlotPlace): Promise<string>;
  /** Rejects when `sealed` isn't its own or belongs to another place. */
  open(sealed: string, place: SealedSlotPlace): Promise<Buffer>;
}
