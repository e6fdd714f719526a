import { z } from 'zod';
import { PlainText } from '../plain-text.js';

const Base64Url = z
  .string()
  .max(16_384)
  .regex(/^[\w-]*$/, 'expected base64url');

/** What an authenticator answers to a log-in (WebAuthn `AuthenticationResponseJSON`). */
export const PasskeyAssertion = z
  .object({
    id: Base64Url,
    rawId: Base64Url,
    type: z.literal('public-key'),
    response: z.object({
      clientDataJSON: Base64Url,
      authenticatorData: Base64Url,
      signature: Base64Url,
      userHandle: Base64Url.optional(),
    }),
    authenticatorAttachment: z.enum(['platform', 'cross-platform']).optional(),
    clientExtensionResults: z.record(z.string(), z.unknown()).default({}),
  })
  .meta({ id: 'PasskeyAssertion' });
export type PasskeyAssertion = z.infer<typeof PasskeyAssertion>;

/** What an authenticator answers when it made a passkey (WebAuthn `RegistrationResponseJSON`). */
export const PasskeyAttestation = z
  .object({
    id: Base64Url,
    rawId: Base64Url,
    type: z.literal('public-key'),
    response: z.object({
      clientDataJSON: Base64Url,
      attestationObject: Base64Url,
      transports: z.array(z.string().max(30)).max(10).optional(),
    }),
    authenticatorAttachment: z.enum(['platform', 'cross-platform']).optional(),
    clientExtensionResults: z.record(z.string(), z.unknown()).default({}),
  })
  .meta({ id: 'PasskeyAttestation' });
export type PasskeyAttestation = z.infer<typeof PasskeyAttestation>;

const Code = z
  .string()
  .regex(/^\d{6}$/, 'expected the 6 digits that the app shows')
  .meta({ examples: ['492039'] });
const ByTotp = z.object({ code: Code }).strict();
const ByRecoveryCode = z.object({ recoveryCode: z.string().min(1).max(100) }).strict();
const ByPasskey = z.object({ passkey: PasskeyAssertion }).strict();
const ByPassword = z.object({ password: z.string().min(1).max(1024) }).strict();

export const SecondFactor = z.enum(['totp', 'recovery_code', 'passkey']);
export type SecondFactor = z.infer<typeof SecondFactor>;

export const SecondFactorProof = z.union([ByTotp, ByRecoveryCode, ByPasskey]).meta({ id: 'SecondFactorProof' });
export type SecondFactorProof = z.infer<typeof SecondFactorProof>;

/** The first proof was right, and a second one is due: good for that alone, for a few tries and minutes. */
export const LoginChallenge = z
  .object({ challenge: z.string(), expiresInSeconds: z.number().int(), methods: z.array(SecondFactor) })
  .meta({ id: 'LoginChallenge' });
export type LoginChallenge = z.infer<typeof LoginChallenge>;

const Challenge = z.string().min(1).max(200);
export const SecondFactorLogin = z.object({ challenge: Challenge, proof: SecondFactorProof }).strict().meta({ id: 'SecondFactorLogin' });
export type SecondFactorLogin = z.infer<typeof SecondFactorLogin>;

/** A logged-in user proves again who they are: by a second factor where there is one, else by the password. */
export const FreshProof = z
  .object({ proof: z.union([ByPassword, ByTotp, ByRecoveryCode, ByPasskey]) })
  .strict()
  .meta({ id: 'FreshProof' });
export type FreshProof = z.infer<typeof FreshProof>;

export const PasskeyLoginOptionsRequest = z
  .object({
    /** Of a log-in whose second factor is due; without it the passkey is the whole log-in. */
    challenge: Challenge.optional(),
  })
  .strict()
  .meta({ id: 'PasskeyLoginOptionsRequest' });
export type PasskeyLoginOptionsRequest = z.infer<typeof PasskeyLoginOptionsRequest>;
/** For the browser's `navigator.credentials`, as WebAuthn writes them. */
export const PasskeyOptions = z.object({ options: z.record(z.string(), z.unknown()) }).meta({ id: 'PasskeyOptions' });
export type PasskeyOptions = z.infer<typeof PasskeyOptions>;
export const PasskeyLogin = z.object({ passkey: PasskeyAssertion }).strict().meta({ id: 'PasskeyLogin' });
export type PasskeyLogin = z.infer<typeof PasskeyLogin>;

const PasskeyName = PlainText.min(1).max(100);
export const CreatePasskey = z.object({ name: PasskeyName, passkey: PasskeyAttestation }).strict().meta({ id: 'CreatePasskey' });
export type CreatePasskey = z.infer<typeof CreatePasskey>;
export const RenamePasskey = z.object({ name: PasskeyName }).strict().meta({ id: 'RenamePasskey' });
export type RenamePasskey = z.infer<typeof RenamePasskey>;
export const Passkey = z
  .object({
    id: z.string(),
    name: z.string(),
    /** Whether it is copied to other devices of its owner. */
    backedUp: z.boolean(),
    createdAt: z.iso.datetime(),
    lastUsedAt: z.iso.datetime().nullable(),
  })
  .meta({ id: 'Passkey' });
export type Passkey = z.infer<typeof Passkey>;
export const Passkeys = z.object({ data: z.array(Passkey) }).meta({ id: 'Passkeys' });
export type Passkeys = z.infer<typeof Passkeys>;

/** Shown once; each works once. */
export const RecoveryCodes = z.object({ recoveryCodes: z.array(z.string()) }).meta({ id: 'RecoveryCodes' });
export type RecoveryCodes = z.infer<typeof RecoveryCodes>;
/** Recovery codes come with the first factor of a user, and only then. */
export const CreatedPasskey = Passkey.extend({ recoveryCodes: z.array(z.string()).nullable() }).meta({ id: 'CreatedPasskey' });
export type CreatedPasskey = z.infer<typeof CreatedPasskey>;

export const TotpEnrolment = z
  .object({
    /** Base32, for apps that have no camera; shown this once. */
    secret: z.string(),
    otpauthUri: z.string(),
    /** The same as a QR code: a `data:` address of an SVG image. */
    qrCode: z.string(),
  })
  .meta({ id: 'TotpEnrolment' });
export type TotpEnrolment = z.infer<typeof TotpEnrolment>;
export const ConfirmTotp = z.object({ code: Code }).strict().meta({ id: 'ConfirmTotp' });
export type ConfirmTotp = z.infer<typeof ConfirmTotp>;
/** Recovery codes come with the first factor of a user, and only then. */
export const ConfirmedTotp = z.object({ recoveryCodes: z.array(z.string()).nullable() }).meta({ id: 'ConfirmedTotp' });
export type ConfirmedTotp = z.infer<typeof ConfirmedTotp>;

export const SecondFactorState = z
  .object({
    totpSince: z.iso.datetime().nullable(),
    passkeys: z.number().int(),
    recoveryCodesLeft: z.number().int(),
    /** By the organization. */
    required: z.boolean(),
    /** Whether this session may do nothing but add a factor, because one is required and none was shown. */
    mustEnrol: z.boolean(),
  })
  .meta({ id: 'SecondFactorState' });
export type SecondFactorState = z.infer<typeof SecondFactorState>;

export const OrganizationSecurity = z
  .object({ secondFactorRequired: z.boolean(), signOnCountsAsSecondFactor: z.boolean() })
  .meta({ id: 'OrganizationSecurity' });
export type OrganizationSecurity = z.infer<typeof OrganizationSecurity>;
export const UpdateOrganizationSecurity = z
  .object({ secondFactorRequired: z.boolean().optional(), signOnCountsAsSecondFactor: z.boolean().optional() })
  .strict()
  .meta({ id: 'UpdateOrganizationSecurity' });
export type UpdateOrganizationSecurity = z.infer<typeof UpdateOrganizationSecurity>;
