import { newTypedCode, typedCodeHash } from './typed-code.js';

export const SETUP_TOKEN_MINUTES = 30;

/** 16 signs of 32 are 80 bits. */
export function newSetupToken(): string {
  return newTypedCode(4);
}

export const setupTokenHash = typedCodeHash;
